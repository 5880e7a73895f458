"""A 2D method on every slice of a volume."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from hrcam.baselines import (
    ALL_LEVELS,
    EigenCAM,
    GradCAM,
    HiResCAM,
    RefineCAM,
    SliceBySlice,
    fuse_levels,
)
from hrcam.errors import InputError, NotFittedError


@pytest.fixture
def volumes():
    return torch.randn(2, 1, 5, 8, 6, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_each_slice_has_the_map_of_the_2d_method(axis, small_net, volumes):
    model = small_net()
    found = SliceBySlice(HiResCAM(model), axis).by_level(volumes, [2, 0])
    assert list(found) == ["last", "act"]
    for name, maps in found.items():
        assert maps.shape == (2, 5, 8, 6)
        for volume, chosen in enumerate((2, 0)):
            for place in range(volumes.shape[2 + axis]):
                one = volumes[volume : volume + 1].select(2 + axis, place)
                expected = HiResCAM(model, [name]).explain(one, chosen)[0]
                assert expected.any()
                assert_close(maps[volume].select(axis, place), expected, atol=1e-5, rtol=1e-4)


def test_a_volume_has_the_class_of_its_mean_logit(small_net, volumes):
    model = small_net()
    slices = volumes.movedim(2, 1).flatten(0, 1)
    logits = model.eval()(slices).detach().view(2, 5, 3)
    model.head.bias.data -= logits.mean((0, 1))
    logits -= logits.mean((0, 1))
    chosen = logits.mean(1).argmax(1)
    # Some slices alone would be of another class.
    assert (logits.argmax(2) != chosen[:, None]).any()
    method = SliceBySlice(HiResCAM(model, ["act"]))
    assert_close(method.explain(volumes), method.explain(volumes, chosen))
    assert not torch.allclose(method.explain(volumes), method.explain(volumes, (chosen + 1) % 3))


def test_the_batch_size_does_not_matter(small_net, volumes):
    model = small_net()
    whole = SliceBySlice(GradCAM(model, ["act"]), batch_size=100).explain(volumes, 1)
    assert whole.any()
    for size in (1, 3):
        found = SliceBySlice(GradCAM(model, ["act"]), batch_size=size).explain(volumes, 1)
        assert_close(found, whole, atol=1e-6, rtol=1e-5)


def test_levels_fused_over_the_volume(small_net, volumes):
    model = small_net()
    method = SliceBySlice(HiResCAM(model))
    with pytest.raises(NotFittedError):
        method.levels  # noqa: B018 - raises
    with pytest.raises(InputError, match="2 levels"):
        method.explain(volumes, 1)
    maps = method.by_level(volumes, 1)
    assert [level.name for level in method.levels] == list(maps)
    fused = method.explain(volumes, 1, fuse="max")
    assert torch.equal(fused, fuse_levels(list(maps.values()), "max"))
    assert (fused.flatten(1).amax(1) == 1).all()


def test_a_method_that_fuses_the_levels_itself(small_net, volumes):
    model = small_net()
    method = SliceBySlice(RefineCAM(model))
    assert list(method.by_level(volumes, 1)) == [ALL_LEVELS]
    expected = RefineCAM(model).explain(volumes[:, :, 3], 1)
    assert_close(method.explain(volumes, 1)[:, 3], expected, atol=1e-5, rtol=1e-4)


class WithAge(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(1, 3, 3, padding=1), nn.Linear(4, 2)

    def forward(self, image, age):
        return self.head(torch.cat([self.conv(image).relu().mean((2, 3)), age], 1))


def test_other_inputs_are_those_of_every_slice(volumes):
    torch.manual_seed(2)
    model, ages = WithAge(), torch.tensor([[0.0], [9.0]])
    method = SliceBySlice(EigenCAM(model, ["conv"]), axis=2)
    found = method.explain((volumes, ages))
    expected = EigenCAM(model, ["conv"]).explain((volumes[1:, ..., 4], ages[1:]))
    assert_close(found[1:, ..., 4], expected)


def test_what_cannot_be_cut(small_net, volumes):
    method = GradCAM(small_net(), ["act"])
    with pytest.raises(InputError, match="axis is 3"):
        SliceBySlice(method, axis=3)
    with pytest.raises(InputError, match="batch_size is 0"):
        SliceBySlice(method, batch_size=0)
    with pytest.raises(InputError, match=r"slices are those of volumes.*method itself"):
        SliceBySlice(method).explain(volumes[:, :, 0])
    with pytest.raises(InputError, match="no class 3"):
        SliceBySlice(method).explain(volumes, 3)
    with pytest.raises(InputError, match="1 classes for 2 images"):
        SliceBySlice(method).explain(volumes, [1])
    volumes[1, 0, 2, 3, 4] = torch.nan
    with pytest.raises(InputError, match="NaN"):
        SliceBySlice(method).explain(volumes)
