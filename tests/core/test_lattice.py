"""Positions of feature maps, measured by what reaches them from the image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from hrcam import find_levels
from hrcam.interpolation import interpolation_matrix, upsample
from hrcam.lattice import Lattice, LatticeTracer
from hrcam.training.network import build_network


class Cut(nn.Module):
    def forward(self, images):
        return images[:, :, 3:-2:2, 1:]


class SpaceToChannels(nn.Module):
    def forward(self, images):
        return nn.functional.pixel_unshuffle(images, 2)


def traced(model: nn.Module, images: torch.Tensor) -> tuple[torch.Tensor, Lattice | None]:
    with LatticeTracer() as tracer:
        images = images.clone()
        tracer.begin(images)
        result = model(images)
        return result, tracer.of(result)


def measured(model: nn.Module, size: int, axes: int) -> Lattice:
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
    return Lattice(tuple(first), tuple(steps))


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
    ],
)
def test_levels_know_their_place(network, dimensions, first, steps):
    model = build_network(network, dimensions, 1, 2)
    levels = find_levels(model, torch.rand(1, 1, *(32,) * dimensions))
    found = {level.lattice.step[0]: level.lattice for level in levels}
    for begin, step in zip(first, steps, strict=True):
        assert found[step] == Lattice((begin,) * dimensions, (float(step),) * dimensions)


def test_a_lattice_holds_for_images_of_other_sizes_unless_layers_scale_with_them():
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, 2, 1), nn.Conv2d(2, 2, 3, 2, 1), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.LazyLinear(2),
    )  # fmt: skip
    model(torch.rand(1, 1, 32, 32))
    coarse, middle, fine = find_levels(model, torch.rand(2, 1, 32, 32), ["2", "1", "0"])
    assert fine.lattice_on((16, 16), (32, 32)) == Lattice((0.0, 0.0), (2.0, 2.0))
    assert fine.lattice_on((24, 32), (47, 64)) == fine.lattice
    assert middle.lattice_on((12, 16), (47, 64)) == Lattice((0.0, 0.0), (4.0, 4.0))
    assert coarse.lattice_on((4, 4), (32, 32)) == Lattice((2.0, 2.0), (8.0, 8.0))
    assert coarse.lattice_on((4, 4), (64, 64)) is None


def test_interpolation_on_a_lattice_by_hand():
    """Positions at 0, 4 and 8: linear between them, and beyond them the last."""
    drawn = interpolation_matrix(3, 11, 0.0, 4.0) @ [0.0, 4.0, 8.0]
    np.testing.assert_allclose(drawn, [0, 1, 2, 3, 4, 5, 6, 7, 8, 8, 8])
    np.testing.assert_array_equal(
        interpolation_matrix(3, 12, 1.5, 4.0), interpolation_matrix(3, 12)
    )


def test_what_a_strided_convolution_read_is_drawn_where_it_was():
    """A level that is the image at every fourth voxel gives back a ramp, not a shifted one."""
    ramp = torch.arange(33.0)[None, None, :, None].expand(1, 1, 33, 17)
    model = nn.Sequential(
        nn.Conv2d(1, 1, 3, 2, 1, bias=False), nn.Conv2d(1, 1, 3, 2, 1, bias=False)
    )
    for layer in model:
        nn.init.zeros_(layer.weight)
        layer.weight.data[0, 0, 1, 1] = 1.0
    with torch.no_grad():
        result, lattice = traced(model, ramp)
    torch.testing.assert_close(upsample(result, (33, 17), lattice), ramp)
    # Merely scaled up it is beside that by up to a voxel and a half.
    assert float((upsample(result, (33, 17)) - ramp).abs().max()) > 0.5
    assert upsample(ramp, (33, 17), Lattice((1.0, 0.0), (1.0, 1.0)))[0, 0, 5, 0] == 4.0
