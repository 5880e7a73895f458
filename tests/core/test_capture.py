"""Reading maps inside the hooks."""

import pytest
import torch
from architectures import (
    ARCHITECTURES,
    PreActivationBlock,
    SharedModule,
    pre_activation,
    simple,
    synthetic_images,
)
from torch import nn

from hrcam import find_levels
from hrcam.errors import GradientError, LevelError, MachineError
from hrcam.levels import Level
from hrcam.levels.capture import capture, capture_for_gradients
from hrcam.levels.gradients import level_gradients

IMAGES = synthetic_images(2, 1, (33, 41))


def keep(_: int, feature_map: torch.Tensor) -> torch.Tensor:
    return feature_map.clone()


def test_maps_are_what_the_layers_return():
    model = simple().eval()
    output, maps = capture(model, IMAGES, find_levels(model, IMAGES), keep)
    with torch.no_grad():
        torch.testing.assert_close(output, model(IMAGES))
        for end, feature_map in zip((6, 4, 2), maps, strict=True):
            torch.testing.assert_close(feature_map, model[:end](IMAGES))


def test_what_the_next_block_overwrites_is_read_in_time():
    """A level by name whose output the next in-place ReLU destroys."""
    model = pre_activation().eval()
    _, (first,) = capture(model, IMAGES, find_levels(model, IMAGES, ["1"]), keep)
    with torch.no_grad():
        expected = model[:2](IMAGES)
    assert (expected < 0).any()
    torch.testing.assert_close(first, expected)


def test_reducing_in_the_hook_and_after_in_place_relu_differ():
    """Why a map is reduced at once: the tensor itself is not what was returned any more."""
    model = pre_activation().eval()
    level = find_levels(model, IMAGES, ["1"])
    _, ((value, tensor),) = capture(model, IMAGES, level, lambda _, one: (one.mean().item(), one))
    assert tensor.mean().item() != pytest.approx(value)


def test_each_run_of_a_shared_module():
    model = SharedModule().eval()
    levels = find_levels(model, IMAGES, ["act#1", "act#2", "act#3"])
    _, maps = capture(model, IMAGES, levels, keep)
    x = model.stem(IMAGES)
    expected = []
    with torch.no_grad():
        for _ in range(3):
            x = torch.relu(model.shared(x))
            expected.append(x)
    for feature_map, one in zip(maps, reversed(expected), strict=True):
        torch.testing.assert_close(feature_map, one)


def test_one_of_several_tensors():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(1, 4, 3)

        def forward(self, x):
            x = self.conv(x)
            return {"twice": 2 * x, "thrice": 3 * x}

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.two, self.fc = Two(), nn.Linear(4, 2)

        def forward(self, x):
            two = self.two(x)
            return self.fc((two["twice"] + two["thrice"]).flatten(2).mean(-1))

    model = Net().eval()
    levels = find_levels(model, IMAGES, ["two[0]", "two[1]"])
    _, (twice, thrice) = capture(model, IMAGES, levels, keep)
    torch.testing.assert_close(1.5 * twice, thrice)


@pytest.mark.parametrize("name", ["plain", "pre_activation_inplace", "concatenated_branches"])
def test_gradients_reach_every_level(name):
    architecture = ARCHITECTURES[name]
    model, images = architecture.model(), architecture.images(2)
    model.requires_grad_(False)
    with torch.inference_mode():
        output, maps = capture_for_gradients(model, images, find_levels(model, images))
    gradients = torch.autograd.grad(output[:, 0].sum(), maps)
    torch.testing.assert_close(output, model(images))
    for gradient, feature_map in zip(gradients, maps, strict=True):
        assert gradient.shape == feature_map.shape
        assert gradient.abs().max() > 0


def test_gradients_are_those_of_finite_differences():
    """Global mean and linear: the gradient at the last map is w / positions."""
    model = simple().eval()
    levels = find_levels(model, IMAGES, ["5"])
    output, (last,) = capture_for_gradients(model, IMAGES, levels)
    (gradient,) = torch.autograd.grad(output[:, 1].sum(), last)
    expected = (model[-1].weight[1] / 30)[None, :, None, None].expand_as(gradient)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RuntimeError("CUDA error: an illegal memory access was encountered"), MachineError),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), MachineError),
        (RuntimeError("derivative for aten::x is not implemented"), GradientError),
    ],
)
def test_a_device_that_fails_is_no_fault_of_the_model(error, kind, monkeypatch):
    model = simple().eval()
    levels = find_levels(model, IMAGES)

    def fail(*_arguments, **_options):
        raise error

    monkeypatch.setattr(torch.autograd, "grad", fail)
    with pytest.raises(kind):
        level_gradients(model, IMAGES, levels, lambda output, _: output[:, 0].sum())


def test_gradients_leave_images_and_parameters_alone():
    model = PreActivationBlock(1, 3).eval()
    model = nn.Sequential(model, nn.Flatten(), nn.Linear(3 * 17 * 21, 2)).eval()
    images, before = IMAGES.clone(), IMAGES.clone()
    output, maps = capture_for_gradients(model, images, find_levels(model, images))
    torch.autograd.grad(output.sum(), maps)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not images.requires_grad
    # The block's in-place ReLU is the model's own and comes first: it met a copy.
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("level", "message"),
    [
        (Level("9", "9", 4, (3, 3), (1.0, 1.0)), "no such module"),
        (Level("1", "1", 4, (3, 3), (1.0, 1.0)), "had 4 channels.*now gives"),
        (Level("1#2", "1", 6, (3, 3), (1.0, 1.0), run=1), "not reached.*'1' 2 times"),
        (Level("1[1]", "1", 6, (3, 3), (1.0, 1.0), item=1), "now gives nothing"),
    ],
)
def test_levels_that_are_not_there(level, message):
    with pytest.raises(LevelError, match=message):
        capture(simple().eval(), IMAGES, [level], keep)
