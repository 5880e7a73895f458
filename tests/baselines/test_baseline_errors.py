"""What cannot be explained is refused, and why is said."""

import pytest
import torch
from method_tools import tool_of
from torch import nn

from hrcam.baselines import (
    CAM,
    METHODS,
    EigenCAM,
    FullGrad,
    GradCAM,
    HiResCAM,
    ScoreCAM,
    gradient_maps,
)
from hrcam.errors import GradientError, InputError, LevelError, NotFittedError
from hrcam.levels import find_levels

every_method = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@every_method
def test_levels_before_the_first_batch(method, small_net):
    with pytest.raises(NotFittedError, match="call explain or by_level first"):
        method(small_net()).levels  # noqa: B018 - raises


@every_method
def test_classes_that_do_not_exist(method, small_net, small_images):
    tool = method(small_net())
    with pytest.raises(InputError, match="no class 3: the classes are 0 to 2"):
        tool.by_level(small_images(), 3)
    with pytest.raises(InputError, match="2 classes for 3 images"):
        tool.by_level(small_images(), [0, 1])


@every_method
def test_images_that_cannot_be_used(method, small_net, small_images):
    tool, images = method(small_net()), small_images()
    tool.by_level(images)
    images[1, 0, 2, 2] = torch.nan
    with pytest.raises(InputError, match="NaN"):
        tool.by_level(images)
    with pytest.raises(InputError, match="shape"):
        tool.by_level(images[0, 0])


@every_method
def test_levels_that_do_not_exist(method, small_net, small_images):
    if method is FullGrad:
        pytest.skip("it finds its layers itself")
    with pytest.raises(LevelError, match="no module 'lsat': did you mean 'last'"):
        method(small_net(), levels=["lsat"]).by_level(small_images())


@every_method
def test_weights_that_are_not_finite(method, small_net, small_images):
    model = small_net()
    tool = tool_of(method, model, ["last"])
    tool.by_level(small_images())
    model.second.bias.data[0] = torch.inf
    with pytest.raises(LevelError, match="logits hold NaN or infinite"):
        tool.by_level(small_images())


@every_method
def test_maps_that_are_not_finite(method, small_net, small_images):
    if method is CAM:
        pytest.skip("its map is not finite only where the logits are not")
    # What follows the level bounds its values, so that the logits are finite.
    model = small_net()
    model.norm = nn.Hardtanh()
    model.first.bias.data[0] = torch.inf
    tool = tool_of(method, model, ["first"])
    with pytest.raises(LevelError, match="level 'first' holds NaN or infinite"):
        tool.by_level(small_images(), 1)


class TwoOutputs(nn.Module):
    def __init__(self, detach=False):
        super().__init__()
        self.stem, self.side = nn.Conv2d(1, 3, 3), nn.Conv2d(3, 3, 3, stride=2)
        self.head, self.detach = nn.Linear(3, 2), detach

    def forward(self, x):
        x = self.stem(x)
        logits = self.head(x.mean((2, 3)))
        return logits.detach() if self.detach else logits, self.side(x).mean((2, 3))


def test_a_level_that_the_logits_do_not_depend_on(small_images):
    model, images = TwoOutputs(), small_images()
    side = GradCAM(model, levels=["side"], output=1)
    assert side.explain(images).any()
    with pytest.raises(LevelError, match="logits do not depend on the level 'side'"):
        gradient_maps([GradCAM], model, images, side.levels)
    with pytest.raises(LevelError, match="'side'"):
        GradCAM(model, levels=["stem", "side"]).by_level(images)


def test_a_level_behind_a_detached_one(small_images):
    model = TwoOutputs()
    images = small_images()
    levels = find_levels(model, images, ["stem"])
    model.stem.register_forward_hook(lambda _module, _args, output: output.detach())
    with pytest.raises(LevelError, match="logits do not depend on the level 'stem'"):
        gradient_maps([GradCAM], model.requires_grad_(True), images, levels)


def test_logits_without_a_gradient(small_images):
    with pytest.raises(GradientError, match=r"carry no gradient.*use a method without"):
        GradCAM(TwoOutputs(detach=True), levels=["side"]).explain(small_images())


def test_weights_made_in_inference_mode(small_net, small_images):
    with torch.inference_mode():
        model = small_net()
    with pytest.raises(GradientError, match="made in inference mode"):
        HiResCAM(model, levels=["last"]).explain(small_images())
    with pytest.raises(GradientError, match=r"made in inference mode.*use a method without"):
        FullGrad(model).explain(small_images())
    assert EigenCAM(model, levels=["last"]).explain(small_images()).any()


def test_cam_without_a_pooled_linear_head(known_gradients, image, small_images):
    with pytest.raises(LevelError, match=r"CAM is not defined .* use Grad-CAM"):
        CAM(known_gradients).explain(image)
    maximum = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.AdaptiveMaxPool2d(1), nn.Flatten(), nn.Linear(4, 2)
    )
    with pytest.raises(LevelError, match="not defined"):
        CAM(maximum).explain(small_images())
    hidden = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4), nn.Linear(4, 4)
    )
    with pytest.raises(LevelError, match="not defined"):
        CAM(hidden).explain(small_images())


def test_cam_at_another_level(small_net, small_images):
    with pytest.raises(LevelError, match="not defined for this model at act"):
        CAM(small_net(), levels=["act"]).explain(small_images())
    with pytest.raises(LevelError, match="not defined for this model at act"):
        CAM(small_net(), levels=["last", "act"]).explain(small_images())


def test_cam_of_a_head_that_changed(small_net, small_images):
    model = small_net()
    tool = CAM(model)
    tool.explain(small_images())
    model.head = nn.Sequential(nn.Linear(6, 3), nn.ReLU())
    with pytest.raises(LevelError, match="not defined for this model at last"):
        tool.explain(small_images())


def test_score_cam_without_a_batch_size(small_net):
    with pytest.raises(InputError, match="batch_size is 0"):
        ScoreCAM(small_net(), batch_size=0)
