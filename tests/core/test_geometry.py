"""Positions of feature maps, measured by what reaches them from the image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hrcam import find_levels
from hrcam.levels.geometry import FeatureGrid, FeatureGridTracer
from hrcam.levels.operators import interpolation_matrix, upsample


def network_of(name, dimensions):
    """As `hrcam train` builds it."""
    pytest.importorskip("monai")
    from hrcam.training.network import build_network

    return build_network(name, (32,) * dimensions, 1, 2)


class Cut(nn.Module):
    def forward(self, images):
        return images[:, :, 3:-2:2, 1:]


class SpaceToChannels(nn.Module):
    def forward(self, images):
        return nn.functional.pixel_unshuffle(images, 2)


class Joined(nn.Module):
    """A path that stays fine, and one that goes through coarse maps and comes back."""

    def __init__(self, *order, join):
        super().__init__()
        self.down = nn.Sequential(nn.Conv2d(1, 1, 3, 2, 1), nn.Conv2d(1, 1, 3, 2, 1))
        self.up = nn.Upsample(scale_factor=4)
        self.order, self.join = order, join

    def forward(self, images):
        paths = {"fine": images, "coarse": self.up(self.down(images))}
        return self.join(*(paths[name] for name in self.order))


class Focus(nn.Module):
    def forward(self, images):
        parts = [images[..., row::2, column::2] for row in (0, 1) for column in (0, 1)]
        return torch.cat(parts, 1)


class Gate(nn.Module):
    def forward(self, images):
        maps = nn.functional.max_pool2d(images, 2)
        return torch.sigmoid(nn.functional.adaptive_max_pool2d(maps, 1)) * maps


class Shuffle(nn.Module):
    def forward(self, images):
        maps = nn.functional.max_pool2d(images.repeat(1, 4, 1, 1), 2)
        batch, channels, *size = maps.shape
        parts = maps.view(batch, 2, channels // 2, *size).transpose(1, 2)
        return parts.reshape(batch, channels, *size)


class Apply(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, images):
        return self.function(images)


def traced(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, FeatureGrid | None]:
    with FeatureGridTracer() as tracer:
        images = images.clone()
        tracer.begin(images)
        result = model(images)
        found = tracer.of(result)
        return result, None if found is None else found.feature_grid


def measured(model: nn.Module, size: int, axes: int) -> FeatureGrid:
    """The centre of gravity of what reaches two neighbours in the middle, all weights being 1."""
    for parameter in model.parameters():
        nn.init.constant_(parameter, 1.0 if parameter.ndim > 1 else 0.0)
    images = torch.rand(1, 1, *(size,) * axes, dtype=torch.float64, requires_grad=True)
    result = model.double()(images)
    middle = [whole // 2 for whole in result.shape[2:]]
    centres = []
    for step in (0, 1):
        (reached,) = torch.autograd.grad(
            result[(0, 0, *(one + step for one in middle))], images, retain_graph=True
        )
        total = reached[0, 0] / reached.sum()
        others = [[other for other in range(axes) if other != axis] for axis in range(axes)]
        places = torch.arange(size, dtype=total.dtype)
        centres.append([float((total.sum(one) if one else total) @ places) for one in others])
    steps = [after - before for before, after in zip(*centres, strict=True)]
    first = [
        centre - one * step for centre, one, step in zip(centres[0], middle, steps, strict=True)
    ]
    return FeatureGrid(tuple(first), tuple(steps))


@pytest.mark.parametrize(
    "layers",
    [
        [nn.Conv2d(1, 1, 3, stride=2, padding=1)],
        [nn.Conv2d(1, 1, 7, 2, 3), nn.AvgPool2d(3, 2, 1), nn.Conv2d(1, 1, 3, 2, 1, dilation=2)],
        [nn.Conv2d(1, 1, (3, 5), (2, 1), padding="valid"), nn.AvgPool2d((2, 1))],
        [nn.Conv2d(1, 1, 4, padding="same"), nn.AvgPool2d(2)],
        [nn.ZeroPad2d((0, 1, 2, 3)), nn.Conv2d(1, 1, 3, 2)],
        [nn.ReflectionPad2d((0, 1, 2, 3)), nn.Conv2d(1, 1, 3, 2)],
        [nn.ReplicationPad2d(2), nn.Conv2d(1, 1, 3, 2)],
        [nn.Conv2d(1, 1, 3, 2, 1), nn.ConvTranspose2d(1, 1, 4, 1, 1)],
        [nn.AvgPool2d(4), nn.Upsample(scale_factor=4, mode="bilinear")],
        [nn.AdaptiveAvgPool2d(8)],
        [Cut()],
        [Apply(lambda images: images[:, :, -100:, -40:])],
        [
            nn.Conv2d(1, 1, 3, 2, 1),
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
        ],
        [nn.Upsample(scale_factor=0.25)],
        [nn.Conv2d(1, 1, 3, 2, 1), nn.Upsample(scale_factor=0.5, mode="nearest-exact")],
    ],
    ids=lambda layers: "-".join(type(layer).__name__ for layer in layers),
)
def test_layers_in_2d(layers):
    model = nn.Sequential(*layers)
    _, found = traced(model, torch.rand(1, 1, 64, 64))
    expected = measured(model, 64, 2)
    np.testing.assert_allclose(found.first, expected.first, atol=1e-9)
    np.testing.assert_allclose(found.step, expected.step, atol=1e-9)


@given(
    layers=st.lists(
        st.tuples(
            st.sampled_from(["convolution", "pooling"]),
            st.integers(1, 4),
            st.integers(1, 2),
            st.integers(0, 1),
            st.integers(1, 2),
        ),
        min_size=1,
        max_size=3,
    )
)
def test_stacks_in_3d(layers):
    modules = [
        nn.Conv3d(1, 1, kernel, stride, padding, dilation=dilation)
        if kind == "convolution"
        else nn.AvgPool3d(kernel, stride, min(padding, kernel // 2))
        for kind, kernel, stride, padding, dilation in layers
    ]
    model = nn.Sequential(*modules)
    _, found = traced(model, torch.rand(1, 1, 40, 40, 40))
    expected = measured(model, 40, 3)
    np.testing.assert_allclose(found.first, expected.first, atol=1e-9)
    np.testing.assert_allclose(found.step, expected.step, atol=1e-9)


def test_max_pooling_lies_as_mean_pooling_does():
    images = torch.rand(1, 1, 32, 32)
    for kernel, stride, padding in ((2, 2, 0), (3, 2, 1), (3, 1, 1)):
        _, greatest = traced(nn.MaxPool2d(kernel, stride, padding), images)
        _, mean = traced(nn.AvgPool2d(kernel, stride, padding), images)
        assert greatest == mean


@pytest.mark.parametrize("order", [("fine", "coarse"), ("coarse", "fine")])
@pytest.mark.parametrize("join", [torch.add, lambda *maps: torch.cat(maps, 1)])
def test_of_two_paths_the_one_that_stayed_fine_says_where_things_are(order, join):
    images = torch.rand(1, 1, 32, 32)
    alone = traced(Joined("coarse", join=lambda maps: maps), images)[1]
    assert alone.first == (-1.5, -1.5)
    assert traced(Joined(*order, join=join), images)[1] == FeatureGrid((0.0, 0.0), (1.0, 1.0))


def test_parts_that_are_put_together_lie_at_their_mean():
    assert traced(Focus(), torch.rand(1, 1, 8, 8))[1] == FeatureGrid((0.5, 0.5), (2.0, 2.0))


@pytest.mark.parametrize("model", [Gate(), Shuffle()])
def test_gates_and_shuffled_channels_leave_maps_in_place(model):
    assert traced(model, torch.rand(1, 1, 8, 8))[1] == FeatureGrid((0.5, 0.5), (2.0, 2.0))


@pytest.mark.parametrize(
    ("pooling", "first"),
    [(nn.MaxPool1d(2), 0.5), (nn.AvgPool1d(3, 2, 1), 0.0), (nn.MaxPool1d(4, 2), 1.5)],
)
def test_pooling_in_1d(pooling, first):
    assert traced(pooling, torch.rand(1, 1, 16))[1] == FeatureGrid((first,), (2.0,))


def test_layers_of_another_number_of_axes_do_not_stop_the_dry_run():
    """Channels that compete, by a pooling of volumes over channels; windows of one axis only."""
    maxout = traced(nn.MaxPool3d((2, 1, 1)), torch.rand(1, 4, 8, 8))[1]
    assert maxout == FeatureGrid((0.0, 0.0), (1.0, 1.0))
    rows = Apply(lambda images: nn.functional.avg_pool2d(images, (1, 2)))
    assert traced(rows, torch.rand(1, 4, 8))[1] == FeatureGrid((0.5,), (2.0,))


def test_what_moves_places_is_not_followed():
    model = Apply(lambda images: images.roll(2, -1))
    assert traced(model, torch.rand(1, 8, 8, 8))[1] is None


@pytest.mark.parametrize(
    ("function", "axes", "first", "step"),
    [
        (lambda images: images.transpose(-1, -2), (-1, -2), (0.0, 0.0), (1.0, 1.0)),
        (lambda images: images.permute(0, 2, 3, 1), (-3, -2), (0.0, 0.0), (1.0, 1.0)),
        (lambda images: images.permute(0, 2, 3, 1)[:, 1::2], (-3, -2), (1.0, 0.0), (2.0, 1.0)),
        (
            lambda images: nn.functional.pad(images.permute(0, 2, 3, 1), (0, 0, 0, 0, 3, 0)),
            (-3, -2), (-3.0, 0.0), (1.0, 1.0),
        ),
        (lambda images: images.flip(-1), (-2, -1), (0.0, 7.0), (1.0, -1.0)),
        (
            lambda images: nn.functional.avg_pool2d(images.flip(-1).transpose(-1, -2), (2, 1)),
            (-1, -2), (0.0, 6.5), (1.0, -2.0),
        ),
    ],
)  # fmt: skip
def test_axes_that_change_place_are_followed(function, axes, first, step):
    with FeatureGridTracer() as tracer:
        images = torch.rand(1, 8, 8, 8)
        tracer.begin(images)
        found = tracer.of(function(images))
    assert found.certain
    assert found.axes == axes
    assert found.feature_grid == FeatureGrid(first, step)


def test_a_map_that_was_only_reshaped_alike_is_not_certain():
    """A matrix product that keeps the size may mix the positions."""
    with FeatureGridTracer() as tracer:
        images = torch.rand(1, 8, 8, 8)
        tracer.begin(images)
        assert tracer.of(images.relu() + 1).certain
        assert not tracer.of(torch.softmax(images, -1)).certain


def test_images_of_a_subclass_are_followed():
    model = network_of("resnet10", 2)
    images = torch.rand(1, 1, 32, 32)
    tensor = pytest.importorskip("monai.data").MetaTensor(images)
    assert find_levels(model, tensor) == find_levels(model, images)


def test_what_has_no_rule_is_not_known():
    """Space that becomes channels; and what is computed from nothing else stays unknown."""
    assert traced(SpaceToChannels(), torch.rand(1, 1, 8, 8))[1] is None
    assert traced(nn.Sequential(SpaceToChannels(), nn.ReLU()), torch.rand(1, 1, 8, 8))[1] is None


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(
    ("network", "first", "steps"),
    [
        # Max pooling of pairs; padded at both sides; at the end alone.
        ("small", [0.5, 1.5, 3.5], [2, 4, 8]),
        ("resnet10", [0.0, 0.0, 0.0], [2, 4, 8]),
        ("efficientnet-b0", [1.0, 3.0, 7.0], [2, 4, 8]),
        ("densenet121", [0.0, 0.0, 2.0], [2, 4, 8]),
        ("seresnet50", [0.0, 2.0, 2.0], [2, 4, 8]),
    ],
)
def test_levels_know_their_place(network, dimensions, first, steps):
    model = network_of(network, dimensions)
    levels = find_levels(model, torch.rand(1, 1, *(32,) * dimensions))
    found = {level.feature_grid.step[0]: level.feature_grid for level in levels}
    for begin, step in zip(first, steps, strict=True):
        assert found[step] == FeatureGrid((begin,) * dimensions, (float(step),) * dimensions)


def test_a_feature_grid_holds_for_images_of_other_sizes_unless_layers_scale_with_them():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, 2, 1), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.LazyLinear(2),
    )  # fmt: skip
    model(torch.rand(1, 1, 32, 32))
    coarse, middle, fine = find_levels(model, torch.rand(2, 1, 32, 32), ["2", "1", "0"])
    assert fine.feature_grid_on((16, 16), (32, 32)) == FeatureGrid((0.0, 0.0), (2.0, 2.0))
    assert fine.feature_grid_on((24, 32), (47, 64)) == fine.feature_grid
    assert middle.feature_grid_on((12, 16), (47, 64)) == FeatureGrid((0.0, 0.0), (4.0, 4.0))
    assert coarse.feature_grid_on((4, 4), (32, 32)) == FeatureGrid((2.0, 2.0), (8.0, 8.0))
    assert coarse.feature_grid_on((4, 4), (64, 64)) is None
    assert coarse.feature_grid_on((4, 4), (40, 40)) is None


def test_interpolation_on_a_feature_grid_by_hand():
    """Positions at 0, 4 and 8: linear between them, and beyond them the last."""
    upsampled = interpolation_matrix(3, 11, 0.0, 4.0) @ [0.0, 4.0, 8.0]
    np.testing.assert_allclose(upsampled, [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8])
    np.testing.assert_array_equal(
        interpolation_matrix(3, 12, 1.5, 4.0), interpolation_matrix(3, 12)
    )


def test_what_a_strided_convolution_reads_is_upsampled_in_place():
    """A level that is the image at every fourth voxel gives back a ramp, not a shifted one."""
    ramp = torch.arange(33.0)[None, None, :, None].expand(1, 1, 33, 17)
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, 2, 1, bias=False), nn.Conv2d(1, 1, 3, 2, 1, bias=False)
    )
    for layer in model:
        nn.init.zeros_(layer.weight)
        layer.weight.data[0, 0, 1, 1] = 1.0
    with torch.no_grad():
        result, feature_grid = traced(model, ramp)
    torch.testing.assert_close(upsample(result, (33, 17), feature_grid), ramp)
    # Merely scaled up it is beside that by up to a voxel and a half.
    assert float((upsample(result, (33, 17)) - ramp).abs().max()) > 0.5
    assert upsample(ramp, (33, 17), FeatureGrid((1.0, 0.0), (1.0, 1.0)))[0, 0, 5, 0] == 4.0
