"""Regions of a map, by hand and by properties."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hrcam.errors import InputError
from hrcam.findings import ControlScores, find_regions


def controls(*scores):
    return ControlScores(scores)


@pytest.fixture
def two_blobs():
    """A larger one of value -2 and a smaller one of value 1.2, with a peak each; weak elsewhere."""
    pattern = np.full((40, 60), 0.5)
    pattern[5:15, 10:20] = -2
    pattern[7, 12] = -2.5
    pattern[30:34, 40:45] = 1.4
    pattern[31, 44] = 1.5
    return pattern


def test_regions_by_hand(two_blobs):
    affine = np.array([[0.5, 0, 10], [0, 2, -20], [0, 0, 1]])
    evidence = np.where(two_blobs == 0.5, 0.01, -1)
    evidence[30:34, 40:45] = 2
    found = find_regions(
        two_blobs, affine=affine, std=np.full((40, 60), 0.25), evidence=evidence, smallest=15
    )
    large, small = found.regions
    assert (large.index, large.voxels, large.size) == (1, 100, 100.0)
    assert (large.peak, large.peak_mm, large.peak_value) == ((7, 12), (13.5, 4.0), -2.5)
    assert large.mean == pytest.approx((99 * 2 + 2.5) / 100)
    assert (large.std, large.evidence_share) == (0.25, 0)
    assert (small.index, small.voxels, small.peak_value) == (2, 20, 1.5)
    assert small.evidence_share == pytest.approx(40 / (40 + 0.01 * (2400 - 120)))
    assert found.unit == "mm2"
    assert (np.unique(found.labels, return_counts=True)[1] == [2280, 100, 20]).all()
    assert found.labels[7, 12] == 1
    assert found.labels[31, 44] == 2
    assert (found.control_share, found.controls) == (None, 0)


def test_a_size_in_mm_drops_regions(two_blobs):
    plane = np.array([[0.5, 0, 10], [0, 2, -20], [0, 0, 1]])
    assert len(find_regions(two_blobs, affine=plane, smallest=20).regions) == 2
    assert len(find_regions(two_blobs, affine=plane, smallest=20.1).regions) == 1
    assert find_regions(two_blobs, smallest=101).regions == ()
    # A 32nd of 40 x 60 along each axis is 2.3 pixels.
    two_blobs[20, 20:22] = 2
    two_blobs[20, 30:33] = 2
    assert find_regions(two_blobs).smallest == pytest.approx(2400 / 1024)
    assert [one.voxels for one in find_regions(two_blobs).regions] == [100, 3, 20]


def test_corners_connect_and_smaller_values_do_not():
    pattern = np.zeros((6, 6, 6))
    pattern[1, 1, 1] = pattern[2, 2, 2] = 1
    pattern[4, 4, 4], pattern[3, 3, 3] = 0.56, 0.54
    found = find_regions(pattern, affine=np.diag((2, 2, 3, 1)))
    assert [(one.voxels, one.size) for one in found.regions] == [(2, 24), (1, 12)]
    assert found.unit == "mm3"
    assert found.regions[1].peak_mm == (8, 8, 12)


def test_a_slice_in_space_has_its_area_and_three_coordinates():
    affine = np.array([[0, 1.0, 5], [2, 0, 6], [0, 0, 7], [0, 0, 1]])
    pattern = np.zeros((8, 8))
    pattern[3, 4] = 1
    (region,) = find_regions(pattern, affine=affine).regions
    assert (region.size, region.peak_mm) == (2, (9, 12, 7))


def test_an_image_as_controls_has_no_finding(two_blobs):
    others = controls(*np.linspace(0.1, 1.9, 19))
    found = find_regions(two_blobs, controls=others)
    assert (found.score, found.control_share, found.controls) == (2.5, 1 / 20, 19)
    # The smaller region is in the image, and marked: five of nineteen controls reach 1.5.
    assert [one.control_share for one in found.regions] == [1 / 20, 6 / 20]
    assert [one.as_in_controls for one in found.regions] == [False, True]
    none = find_regions(two_blobs, controls=others, probability=0.5)
    assert (none.score, none.regions, none.as_in_controls) == (1.25, (), True)
    assert none.control_share == pytest.approx(8 / 20)
    assert not none.labels.any()


def test_few_controls_are_not_compared_with(two_blobs):
    found = find_regions(two_blobs, controls=controls(*[9.0] * 8))
    assert (found.control_share, found.controls, len(found.regions)) == (None, 0, 2)
    assert find_regions(two_blobs, controls=controls(*[9.0] * 9)).regions == ()
    assert find_regions(two_blobs, controls=controls(*[0.1] * 9)).control_share == 0.1


def test_scores_are_finite():
    with pytest.raises(InputError, match="NaN"):
        controls(1.0, float("nan"))


@given(st.lists(st.floats(0, 10), min_size=10, max_size=60), st.randoms(use_true_random=False))
def test_at_most_a_tenth_of_controls_have_a_finding(scores, random):
    """Each control against the others: the promise of the calibration, in every sample."""
    pattern = np.zeros((4, 4))
    pattern[1, 1] = 1
    random.shuffle(scores)
    found = [
        find_regions(pattern * score, controls=controls(*scores[:index], *scores[index + 1 :]))
        for index, score in enumerate(scores)
    ]
    assert sum(bool(one.regions) for one in found) <= len(scores) / 10


def test_maps_of_an_explanation_and_an_empty_map():
    found = find_regions(torch.zeros(8, 8))
    assert (found.regions, found.score) == ((), 0)
    assert find_regions(torch.eye(8)).regions[0].voxels == 8


@pytest.mark.parametrize(
    ("pattern", "options", "message"),
    [
        (np.zeros((2, 3, 4, 5)), {}, "4 axes"),
        (np.full((3, 3), np.nan), {}, "finite"),
        (np.zeros((0, 3)), {}, "shape"),
        (np.zeros((3, 3)), {"std": np.zeros((3, 4))}, "std has the shape"),
        (np.zeros((3, 3)), {"affine": np.eye(4)}, "affine has the shape"),
        (np.zeros((3, 3)), {"affine": np.diag((1, 0, 1))}, "singular"),
    ],
)
def test_what_cannot_be_used_is_refused(pattern, options, message):
    with pytest.raises(InputError, match=message):
        find_regions(pattern, **options)
