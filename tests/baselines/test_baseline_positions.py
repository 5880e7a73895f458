"""Maps are drawn where a level's positions lie in the image, as HR-CAM's pattern is."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from hrcam.baselines import METHODS, GradCAM, LevelMethod, ScoreCAM, normalise
from hrcam.levels.geometry import FeatureGrid

LEVEL_METHODS = {
    name: one for name, one in METHODS.items() if issubclass(one, LevelMethod) and name != "CAM"
}


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def every_second(request):
    """A network with a level at every second voxel, from the first, and an image."""
    torch.manual_seed(6)
    convolution = {2: nn.Conv2d, 3: nn.Conv3d}[request.param]
    model = nn.Sequential(
        convolution(1, 3, 1, stride=2), nn.Flatten(), nn.Linear(3 * 4**request.param, 2)
    )
    # No map may be all negative, and cut off.
    model[0].weight.data.abs_()
    model[0].bias.data.abs_()
    model[2].weight.data[1].abs_()
    return model, torch.rand(2, 1, *(8,) * request.param)


@pytest.mark.parametrize("method", LEVEL_METHODS.values(), ids=LEVEL_METHODS)
def test_every_method_draws_its_map_where_the_positions_lie(method, every_second):
    model, images = every_second
    tool = method(model, levels=["0"])
    found = tool.explain(images, 1)
    axes = images.ndim - 2
    assert tool.levels[0].feature_grid == FeatureGrid((0.0,) * axes, (2.0,) * axes)
    with torch.no_grad():
        own = tool._level_maps(images, 1)[0]
    assert own.amax() > own.amin()
    on_positions = found[(slice(None), *[slice(None, None, 2)] * axes)]
    assert_close(normalise(on_positions), normalise(own))


def test_a_map_lies_between_its_positions_and_stays_beyond_the_last():
    model = nn.Sequential(nn.Conv1d(1, 1, 1, stride=2, bias=False), nn.Flatten(), nn.Linear(3, 1))
    model[0].weight.data.fill_(1.0)
    model[2].weight.data.fill_(1.0)
    image = torch.tensor([[[1.0, 9.0, 3.0, 9.0, 2.0, 9.0]]])
    # Positions at 0, 2 and 4; half-pixel centres would put them at 0.5, 2.5 and 4.5.
    found = GradCAM(model, levels=["0"]).explain(image)
    assert_close(found, torch.tensor([[1.0, 2.0, 3.0, 2.5, 2.0, 2.0]]))


def test_the_masks_of_score_cam_lie_where_the_positions_do(every_second):
    model, images = every_second
    found = ScoreCAM(model, levels=["0"]).explain(images, 1)
    with torch.no_grad():
        activations = model[0](images)
        axes = tuple(range(2, images.ndim))
        # Positions at 0, 2, 4, 6 of 8 voxels: corners aligned to a grid of 7, and the last again.
        mode = "bilinear" if images.ndim == 4 else "trilinear"
        masks = nn.functional.interpolate(
            activations, size=(7,) * len(axes), mode=mode, align_corners=True
        )
        masks = nn.functional.pad(masks, (0, 1) * len(axes), mode="replicate")
        masks = masks - masks.amin(axes, keepdim=True)
        masks = masks / masks.amax(axes, keepdim=True)
        nothing = model(torch.zeros_like(images)).softmax(1)[:, 1]
        scores = [model(images * masks[:, k : k + 1]).softmax(1)[:, 1] for k in range(3)]
        weights = torch.stack(scores, 1) - nothing[:, None]
        expected = torch.einsum("bk,bk...->b...", weights, activations).relu()
    assert expected.any()
    assert_close(found[(slice(None), *[slice(None, None, 2)] * len(axes))], expected)
