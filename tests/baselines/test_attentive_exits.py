"""Exits at each level and attention over them, on data where it is known which exit is right."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from hrcam.baselines import ALL_LEVELS, AttentiveExits
from hrcam.baselines.attentive_exits import learn_attention
from hrcam.errors import FitError, InputError, LevelError, NotFittedError
from hrcam.levels.operators import pool, upsample


class Blocks(nn.Module):
    """A fine level with both channels of the image, and a coarse one with the second alone."""

    def __init__(self, spatial=2):
        super().__init__()
        convolution = {2: nn.Conv2d, 3: nn.Conv3d}[spatial]
        pooling = {2: nn.AvgPool2d, 3: nn.AvgPool3d}[spatial]
        self.fine = nn.Sequential(convolution(2, 2, 1, bias=False))
        self.fine[0].weight.data = torch.eye(2).view(2, 2, *[1] * spatial)
        self.coarse = nn.Sequential(pooling(2), convolution(2, 4, 1))
        self.coarse[1].weight.data[:, 0] = 0
        self.axes = tuple(range(2, 2 + spatial))

    def forward(self, x):
        return self.coarse(self.fine(x)).mean(self.axes)[:, :2]


LEVELS = ["coarse", "fine"]


def cohort(spatial=2, number=40):
    """Noise; in class 1 the first channel has a bright square, at (2:5) along every axis."""
    generator = torch.Generator().manual_seed(0)
    images = 0.2 * torch.randn(number, 2, *(8,) * spatial, generator=generator)
    labels = torch.arange(number) % 2
    images[(labels == 1, 0, *[slice(2, 5)] * spatial)] += 3
    return images, labels


def loader_of(images, labels, size=10):
    return list(zip(images.split(size), labels.split(size), strict=True))


@pytest.fixture(params=[2, 3], ids=["2d", "3d"])
def fitted(request):
    torch.manual_seed(1)
    images, labels = cohort(request.param)
    model = Blocks(request.param)
    return AttentiveExits(model, LEVELS).fit(loader_of(images, labels)), images, labels


def test_attention_goes_to_the_exit_that_tells_the_class(fitted):
    tool, _, _ = fitted
    assert [level.name for level in tool.levels] == LEVELS
    assert tool.attention.shape == (2, 2)
    np.testing.assert_allclose(tool.attention.sum(1), 1)
    assert tool.attention[:, 1].min() > 0.9


def test_the_map_lies_on_what_tells_the_class(fitted):
    tool, images, labels = fitted
    axes = images.ndim - 2
    maps = tool.explain(images[labels == 1], 1)
    assert maps.shape == (20, *(8,) * axes)
    inside = torch.zeros((8,) * axes, dtype=torch.bool)
    inside[(slice(2, 5),) * axes] = True
    assert (maps[:, inside].mean(1) > maps[:, ~inside].mean(1)).all()
    # Maps of two classes are opposite where their attention is the same.
    other = tool.explain(images[labels == 1], 0)
    shared = np.abs(tool.attention[0] - tool.attention[1]).max() < 0.02
    assert not shared or (maps + other).abs().max() < 0.1 * maps.abs().max()


def test_the_map_is_the_sum_of_the_exits_class_maps(fitted):
    tool, images, _ = fitted
    grid = tuple(images.shape[2:])
    some, classes = images[:3], [1, 0, 1]
    found = tool.by_level(some, classes)
    assert list(found) == [ALL_LEVELS]
    with torch.no_grad():
        fine = tool.model.fine(some)
        features = [tool.model.coarse(fine), fine]
    expected = torch.zeros(3, *grid)
    for index, one in enumerate(features):
        weights = torch.from_numpy(tool._exits.weights[index]).float()
        bias = torch.from_numpy(tool._exits.bias[index]).float()
        maps = torch.einsum("kc,bc...->bk...", weights, one)
        maps += bias.view(1, 2, *[1] * len(grid))
        # The mean of a class map is the logit of its exit.
        logits = pool(one, grid) @ weights.T + bias
        assert_close(maps.flatten(2).mean(2), logits, atol=1e-4, rtol=1e-4)
        # Half-pixel centres, since pooling has windows of 2.
        own = upsample(maps[torch.arange(3), torch.tensor(classes)][:, None], grid)[:, 0]
        share = torch.from_numpy(tool.attention[classes, index]).float()
        expected += share.view(-1, *[1] * len(grid)) * own
    assert_close(found[ALL_LEVELS], expected, atol=1e-4, rtol=1e-4)


def test_the_exits_predict_the_class_where_none_is_given(fitted):
    tool, images, labels = fitted
    found = tool.explain(images)
    assert_close(found, tool.explain(images, labels))
    assert_close(tool.explain(images[5:6]), found[5:6], atol=1e-5, rtol=1e-4)


def test_attention_by_hand():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 300)
    truth = 4 * np.eye(3)[labels]
    noise = generator.normal(0, 4, (300, 3))
    attention = learn_attention(np.stack([noise, truth], 2), labels)
    assert attention[:, 1].min() > 0.95
    # Exits that say the same are worth the same.
    equal = learn_attention(np.stack([truth, truth], 2), labels)
    np.testing.assert_allclose(equal, 0.5)


def test_attention_differs_between_classes():
    # The first exit knows class 0 alone, the second knows classes 1 and 2.
    labels = np.arange(300) % 3
    noise = np.random.default_rng(0).normal(0, 3, (2, 300, 3))
    known = 4.0 * np.eye(3)[labels]
    first, second = noise
    first[:, 0], second[:, 1:] = known[:, 0], known[:, 1:]
    attention = learn_attention(np.stack([first, second], 2), labels)
    assert attention[0, 0] > 0.9
    assert attention[1:, 1].min() > 0.9


def test_groups_and_contexts_make_no_difference_to_what_can_be_learnt(fitted):
    tool, images, labels = fitted
    loader = loader_of(images, labels)
    with torch.inference_mode():
        again = AttentiveExits(tool.model, LEVELS).fit(loader)
        found = again.explain(images[:2], 1)
    np.testing.assert_array_equal(again.attention, tool.attention)
    assert_close(found.clone(), tool.explain(images[:2], 1))
    groups = [f"subject {index // 4}" for index in range(40)]
    grouped = AttentiveExits(tool.model, LEVELS).fit(loader, groups)
    assert grouped.attention[:, 1].min() > 0.9


def test_the_model_is_left_as_it_was():
    torch.manual_seed(1)
    images, labels = cohort()
    model = Blocks().train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    AttentiveExits(model, LEVELS).fit(loader_of(images, labels)).explain(images)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not model.fine._forward_hooks
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])


def test_what_cannot_be_fitted_or_explained():
    torch.manual_seed(1)
    images, labels = cohort()
    tool = AttentiveExits(Blocks(), LEVELS)
    for call in (lambda: tool.levels, lambda: tool.attention, lambda: tool.explain(images)):
        with pytest.raises(NotFittedError, match="call fit with images and labels first"):
            call()
    with pytest.raises(FitError, match="all 40 images are of class 0"):
        tool.fit(loader_of(images, 0 * labels))
    with pytest.raises(InputError, match="the groups have the shape"):
        tool.fit(loader_of(images, labels), ["one"])
    with pytest.raises(LevelError, match="no module 'middle'"):
        AttentiveExits(Blocks(), ["middle"]).fit(loader_of(images, labels))
    tool.fit(loader_of(images, labels))
    with pytest.raises(InputError, match="no class 2"):
        tool.explain(images, 2)
    tool.model.fine[0].weight.data[0] = torch.inf
    with pytest.raises(LevelError, match="holds NaN or infinite"):
        tool.explain(images)
