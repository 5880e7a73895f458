"""The grid that is chosen for a cohort."""

import numpy as np
import pytest
from example_images import facts

from hrcam.errors import InputError
from hrcam.preparation import choose_preparation


def choose(known, **options):
    return choose_preparation(known, ("image",), **options)


def test_small_crops_keep_their_millimetres_and_all_of_them_fit():
    rng = np.random.default_rng(0)
    sizes = np.stack([rng.integers(31, 44, 50), rng.integers(40, 60, 50), rng.integers(24, 48, 50)])
    chosen = choose([facts(tuple(map(int, size))) for size in sizes.T])
    assert chosen.shape == (48, 64, 48)
    assert chosen.spacing == (1.0, 1.0, 1.0)
    assert chosen.orientation == "RAS"
    assert chosen.left_right == 0
    assert chosen.crop_to_foreground


def test_brains_fit_into_128_positions_by_their_foreground():
    brain = facts((182, 218, 182), foreground=(142, 178, 147))
    chosen = choose([brain])
    assert chosen.shape == (104, 128, 112)
    assert chosen.spacing == pytest.approx((178 / 128,) * 3, abs=1e-4)


def test_thick_slices_stay_thick_and_only_fine_pixels_become_coarser():
    chosen = choose([facts((512, 512, 30), (0.5, 0.5, 5.0))])
    assert chosen.shape == (128, 128, 32)
    assert chosen.spacing == (2.0, 2.0, 5.0)


def test_axes_are_brought_into_order_before_they_are_compared():
    stored = facts((30, 40, 50), (5.0, 1.0, 2.0), "SLA")
    chosen = choose([stored, facts((40, 50, 30), (1.0, 2.0, 5.0), "RAS")])
    assert chosen.spacing == (1.0, 2.0, 5.0)
    assert chosen.shape == (40, 56, 32)


def test_one_whole_body_scan_does_not_make_all_heads_small():
    heads = [facts((100, 100, 100))] * 9
    assert choose([*heads, facts((100, 100, 1000))]).spacing == (1.0, 1.0, 1.0)


def test_pictures_have_the_median_size_and_no_millimetres():
    chosen = choose([facts((256, 256), orientation="", format="picture")] * 3)
    assert chosen.shape == (128, 128)
    assert chosen.spacing is None
    assert chosen.orientation == "stored"
    assert chosen.left_right == 1
    assert not chosen.crop_to_foreground
    wide = choose([facts((500, 600), orientation="", format="picture")])
    assert wide.shape == (112, 128)
    assert choose([facts((40, 60), orientation="", format="array")]).shape == (48, 64)


def test_slices_keep_millimetres_and_sagittal_ones_have_no_left_and_right():
    axial = choose([facts((200, 180), (1.2, 1.2), "LP")])
    assert axial.shape == (128, 128)
    assert axial.spacing == pytest.approx((1.875, 1.875))
    assert axial.left_right == 0
    assert choose([facts((64, 64), orientation="PS")]).left_right is None


def test_pictures_among_slices_leave_no_millimetres():
    mixed = [facts((64, 64)), facts((64, 64), orientation="", format="picture")]
    assert choose(mixed).spacing is None


def test_what_is_asked_for_is_taken():
    volume = facts((100, 100, 100))
    assert choose([volume], spacing=(2.0, 2.0, 2.0)).shape == (56, 56, 56)
    assert choose([volume], shape=(50, 60, 70)).spacing == (2.0, 2.0, 2.0)
    both = choose([volume], shape=(50, 60, 70), spacing=(1.0, 1.0, 4.0))
    assert (both.shape, both.spacing) == ((50, 60, 70), (1.0, 1.0, 4.0))
    photo = facts((100, 100), orientation="", format="picture")
    assert choose([photo], shape=(64, 96)).shape == (64, 96)


def test_every_side_suits_a_network_with_five_levels():
    assert choose([facts((5, 20, 33))]).shape == (16, 24, 40)


@pytest.mark.parametrize(
    ("known", "options", "message"),
    [
        ([], {}, "no scan"),
        ([facts((8, 8)), facts((8, 8, 8))], {}, "number of axes"),
        ([facts((8, 8)), facts((8, 8), channels=3)], {}, "number of channels"),
        ([facts((8, 8, 8))], {"shape": (16, 16)}, "give 3 values"),
        ([facts((8, 8, 8))], {"spacing": (1.0, -1.0, 1.0)}, "above 0"),
        ([facts((8, 8), format="picture")], {"spacing": (1.0, 1.0)}, "no spacing in mm"),
    ],
)
def test_what_cannot_be_chosen_is_refused(known, options, message):
    with pytest.raises(InputError, match=message):
        choose(known, **options)
