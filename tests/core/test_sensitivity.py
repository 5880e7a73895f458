"""Where the decision depends on the image: on networks whose gradients are known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from hrcam import HRCAM
from hrcam.errors import HRCAMWarning
from hrcam.maps.sensitivity import Sensitivity, largest_readout

SIZE = 20


class Squares(nn.Module):
    """One positive feature map f, and logits ±Σ f² / 2: the gradient in f is f itself."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Conv2d(1, 1, 1, bias=False)
        nn.init.ones_(self.map.weight)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        energy = self.map(images).square().sum((1, 2, 3)) / 2 - 60
        return torch.stack([energy, -energy], dim=1)


class Mean(nn.Module):
    """A linear decision on the mean of one map: it depends on all places alike."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.ReLU())
        self.classes = nn.Linear(3, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classes(self.map(images).mean((2, 3)))


class Detached(Mean):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images).detach()


def images_of(number: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(number, 1, SIZE, SIZE, generator=generator)


def sensitivity_of(hr: HRCAM, images: torch.Tensor) -> torch.Tensor:
    """S where there is a deviation: √G S, divided by the √G of a neutral explainer."""
    neutral = HRCAM(hr.model)
    uniform = Sensitivity.uniform(len(hr.levels), len(hr.head.mean))
    neutral._adopt(replace(hr._known, sensitivity=uniform), {})
    return hr.explain(images, 0).pattern_as_read / neutral.explain(images, 0).pattern_as_read


def test_a_gradient_that_is_linear_in_the_features_is_found():
    images = images_of(30)
    hr = HRCAM(Squares().eval()).fit([images], "logits")
    fresh = images_of(4, seed=1)
    expected = fresh[:, 0] / images.flatten(1).amax(1).mean()
    torch.testing.assert_close(sensitivity_of(hr, fresh), expected, rtol=0, atol=5e-3)


def test_its_peak_is_one_on_the_mean_over_the_training_images():
    """So that the fused map stays in its unit where the decision depends most on the image."""
    images = images_of(30)
    hr = HRCAM(Squares().eval()).fit([images], "logits")
    peaks = sensitivity_of(hr, images).flatten(1).amax(1)
    # Some images stand for all, and their maxima differ little.
    assert peaks.mean() == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("target", ["labels", "logits"])
def test_a_decision_that_depends_on_all_places_alike_changes_nothing(target):
    torch.manual_seed(0)
    images, labels = images_of(30), torch.arange(30) % 2
    batch = (images, labels) if target == "labels" else images
    hr = HRCAM(Mean().eval()).fit([batch], target)
    torch.testing.assert_close(hr._known.sensitivity.weights, np.zeros((1, 3)), rtol=0, atol=1e-4)
    assert hr._known.sensitivity.offsets == pytest.approx(1, abs=1e-4)


@pytest.mark.filterwarnings("ignore::hrcam.errors.HRCAMWarning")
def test_half_precision_has_gradients_of_means_over_many_voxels():
    """Unscaled they would vanish: they are below the least number that half precision has."""

    class MeanSquare(Squares):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            energy = self.map(images).square().mean((1, 2, 3)) / 100
            return torch.stack([energy, -energy], dim=1)

    images = torch.rand(4, 1, 512, 512, generator=torch.Generator().manual_seed(0)).half()
    hr = HRCAM(MeanSquare().eval().half()).fit([images], "logits")
    assert hr._known.sensitivity.weights == pytest.approx(1, abs=0.01)


@pytest.mark.filterwarnings("ignore::hrcam.errors.HRCAMWarning")
def test_half_precision_has_large_gradients_too():
    """Scaled they would overflow: they are above the largest number that half precision has."""

    class Steep(Squares):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            energy = 100 * self.map(images).square().mean((1, 2, 3)) * 4
            return torch.stack([energy, -energy], dim=1)

    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0)).half()
    hr = HRCAM(Steep().eval().half()).fit([images], "logits")
    assert hr._known.sensitivity.weights == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("sizes", [(7, 5), (3, 3, 3, 3), (12,)])
def test_models_that_drop_the_axis_of_a_batch_of_one(sizes):
    """So batches of one image are never made of larger ones."""

    class Squeezed(Mean):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.classes(self.map(images).mean((2, 3), keepdim=True).squeeze())

    torch.manual_seed(0)
    model, images = Mean().eval(), images_of(4, seed=1)
    squeezed = HRCAM(_as(Squeezed(), model)).fit(images_of(12).split(list(sizes)), "logits")
    plain = HRCAM(model).fit([images_of(12)], "logits")
    torch.testing.assert_close(
        squeezed.explain(images).pattern_as_read,
        plain.explain(images).pattern_as_read,
        rtol=1e-3,
        atol=1e-4,
    )


def test_labels_have_the_gradient_of_the_heads_own_logit():
    """The CNN's logits are ±Σ f², the head's are linear in the mean of f: all places alike."""
    images = images_of(30) + 0.1 * (torch.arange(30) % 2)[:, None, None, None]
    hr = HRCAM(Squares().eval()).fit([(images, torch.arange(30) % 2)], "labels")
    torch.testing.assert_close(hr._known.sensitivity.weights, np.zeros((1, 1)), rtol=0, atol=1e-5)


def test_no_gradient_leaves_the_fused_map_and_says_so():
    torch.manual_seed(0)
    images, model = images_of(20), Mean().eval()
    with pytest.warns(HRCAMWarning, match="carry no gradient.*localises less well"):
        without = HRCAM(_as(Detached(), model)).fit([images], "logits")
    expected = HRCAM(model).fit([images], "logits").explain(images)
    explanation = without.explain(images)
    torch.testing.assert_close(
        explanation.pattern_as_read, expected.pattern_as_read, rtol=1e-4, atol=1e-6
    )
    torch.testing.assert_close(explanation.evidence, expected.evidence)


def _as(model: nn.Module, other: nn.Module) -> nn.Module:
    model.load_state_dict(other.state_dict())
    return model.eval()


def test_gradients_that_are_not_finite_say_so():
    """The square root has none at zero."""

    class Root(Squares):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            maps = self.map(images)
            energy = (maps.square() + (0 * maps).sqrt()).sum((1, 2, 3)) - 130
            return torch.stack([energy, -energy], dim=1)

    with pytest.warns(HRCAMWarning, match="gradient of the logits holds NaN or infinite"):
        hr = HRCAM(Root().eval()).fit([images_of(20)], "logits")
    assert torch.isfinite(hr.explain(images_of(2)).pattern).all()


def test_the_same_seed_gives_the_same_and_another_nearly_the_same():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 3), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2),
    ).eval()  # fmt: skip
    images = images_of(150)
    first, again, other = (
        HRCAM(model).fit([images], "logits", seed=seed)._known.sensitivity for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)
    assert np.corrcoef(first.weights.ravel(), other.weights.ravel())[0, 1] > 0.9


class TwoLevels(nn.Module):
    """A fine map f, and c, its means over 2 × 2 places; the gradients in them are known.

    The logit is Σ c² / 2 + Σ f below the diagonal. So in c it is c, and in f a quarter of c there,
    and 1 more below the diagonal.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(1, 1, 1, bias=False)
        self.coarse = nn.Conv2d(1, 1, 2, stride=2, bias=False)
        nn.init.ones_(self.fine.weight)
        nn.init.constant_(self.coarse.weight, 1 / 4)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        fine = self.fine(images)
        energy = self.coarse(fine).square().sum((1, 2, 3)) / 2 + fine.tril().sum((1, 2, 3)) - 110
        return torch.stack([energy, -energy], dim=1)


def test_each_level_has_a_readout_of_the_gradient_there():
    images = images_of(60)
    hr = HRCAM(TwoLevels().eval()).fit([images], "logits")
    coarse, fine = hr._known.sensitivity.weights
    # The gradient in the coarse map is that map, and nothing else tells it.
    assert [level.name for level in hr.levels] == ["coarse", "fine"]
    assert coarse[0] > 0
    assert abs(coarse[1]) < 0.02 * coarse[0]
    # In the fine map it is the same and more, which the features do not know.
    assert 0 < fine[0] < coarse[0]
    # Whichever is the largest, an image's peak is 1 on the mean.
    assert sensitivity_of(hr, images).flatten(1).amax(1).mean() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize("part", [0, 1e-8])
def test_a_level_that_the_logits_do_not_depend_on_counts_for_nothing(part):
    """Its readout would be of rounding, and large somewhere as all are of mean 1."""

    class Unused(TwoLevels):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            fine = self.fine(images)
            energy = fine.square().sum((1, 2, 3)) / 2 + part * self.coarse(fine).sum((1, 2, 3)) - 66
            return torch.stack([energy, -energy], dim=1)

    hr = HRCAM(Unused().eval(), levels=["coarse", "fine"]).fit([images_of(40)], "logits")
    sensitivity = hr._known.sensitivity
    np.testing.assert_array_equal(sensitivity.weights[0], 0)
    assert sensitivity.offsets[0] == 0
    assert sensitivity.weights[1, 1] == pytest.approx(1, abs=0.05)


def test_map_is_the_largest_readout_and_stays_positive():
    readouts = torch.tensor([[[3.0, -1.0, 0.5], [2.0, -4.0, 0.75]]])
    expected = torch.tensor([[3.0, 0.001, 0.75]])
    torch.testing.assert_close(largest_readout(readouts), expected, rtol=0, atol=0)
