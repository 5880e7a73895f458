"""Normalisation and the fusion of levels, by hand."""

import pytest
import torch
from torch.testing import assert_close

from hrcam.baselines import GradCAM, LayerCAM, fuse_levels, normalise
from hrcam.errors import InputError

FIRST = torch.tensor([[[0.0, 2.0], [4.0, 1.0]]])  # normalised: 0, .5, 1, .25
SECOND = torch.tensor([[[-1.0, 1.0], [0.0, 0.0]]])  # normalised: 0, 1, .5, .5


@pytest.mark.parametrize(
    ("fusion", "expected"),
    [
        ("mean", [[0.0, 0.75], [0.75, 0.375]]),
        ("max", [[0.0, 1.0], [1.0, 0.5]]),
        ("product", [[0.0, 0.5], [0.5, 0.125]]),
    ],
)
def test_fusions_by_hand(fusion, expected):
    assert_close(fuse_levels([FIRST, SECOND], fusion), torch.tensor([expected]))


def test_each_image_is_normalised_by_itself():
    maps = torch.cat([FIRST, 100 * SECOND, torch.full((1, 2, 2), 7.0)])
    found = normalise(maps)
    assert_close(found[0], torch.tensor([[0.0, 0.5], [1.0, 0.25]]))
    assert_close(found[1], torch.tensor([[0.0, 1.0], [0.5, 0.5]]))
    assert not found[2].any()


def test_a_constant_map_is_zero_and_takes_part():
    constant = torch.full_like(FIRST, 3.0)
    assert_close(fuse_levels([FIRST, constant], "mean"), normalise(FIRST) / 2)
    assert not fuse_levels([FIRST, constant], "product").any()


@pytest.mark.parametrize("fusion", ["mean", "max", "product"])
def test_explain_fuses_the_maps_of_by_level(fusion, small_net, small_images):
    model, images = small_net(), small_images()
    method = LayerCAM(model)
    maps = method.by_level(images, classes=1)
    assert list(maps) == ["last", "act"]
    fused = method.explain(images, classes=1, fuse=fusion)
    assert fused.shape == (3, 8, 8)
    assert torch.equal(fused, fuse_levels(list(maps.values()), fusion))


def test_one_level_is_returned_as_it_is(small_net, small_images):
    method = LayerCAM(small_net(), levels=["last"])
    images = small_images()
    alone = method.explain(images, classes=0)
    assert torch.equal(alone, method.by_level(images, classes=0)["last"])
    assert torch.equal(method.explain(images, classes=0, fuse="max"), normalise(alone))


def test_several_levels_need_a_fusion(small_net, small_images):
    with pytest.raises(InputError, match=r"2 levels \(last, act\): pass fuse='mean'"):
        GradCAM(small_net()).explain(small_images())


def test_unknown_fusions_and_no_maps(small_net, small_images):
    with pytest.raises(InputError, match="must be 'mean', 'max' or 'product'"):
        GradCAM(small_net()).explain(small_images(), fuse="median")
    with pytest.raises(InputError, match="no maps to fuse"):
        fuse_levels([], "mean")
