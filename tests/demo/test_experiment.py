"""A result on images whose truth is trivial, so that the right numbers are known."""

import numpy as np
import pytest
import torch

from hrcam import HRCAM
from hrcam.benchmark.variant import (
    EVIDENCE,
    PAPER,
    PATTERN,
    Stage,
    Variant,
    best_settings,
    best_variants,
)
from hrcam.demo.experiment import LabelledImages, run_experiment
from hrcam.demo.method_scores import compare_with_best_rival
from hrcam.maps.refine import refine
from hrcam.networks import SmallCNN
from hrcam.training.classifier import train_classifier
from hrcam.training.images import ImageDataset


def bright_squares(count: int = 80, size: int = 32) -> LabelledImages:
    """Noise, and in every second image a bright square somewhere."""
    generator = np.random.default_rng(0)
    images = generator.normal(0, 0.3, (count, 1, size, size)).astype(np.float32)
    masks = np.zeros((count, size, size), bool)
    for index in range(1, count, 2):
        top, left = generator.integers(1, size - 5, 2)
        masks[index, top : top + 4, left : left + 4] = True
    images[:, 0][masks] += 2
    labels = np.arange(count) % 2
    return LabelledImages(images, labels, masks, np.arange(count) >= count * 3 // 4)


@pytest.fixture(scope="module")
def result():
    torch.manual_seed(0)
    return run_experiment(bright_squares(), SmallCNN(2, 1, 2, (8, 16)), epochs=8, batch_size=8)


def test_an_easy_lesion_is_found(result):
    table = result.table.set_index(["method", "stage"])
    assert result.accuracy > 0.9
    assert table.loc[(PATTERN, "refined"), "auprc"] > 0.8
    assert table.loc[(PATTERN, "refined"), "pointing"] > 0.9


def test_test_images_with_a_mask_are_mapped(result):
    cohort = bright_squares()
    assert result.indices.tolist() == np.flatnonzero(cohort.test & (cohort.labels == 1)).tolist()
    for stack in result.maps.values():
        assert [one.shape for one in stack] == [(32, 32)] * len(result.indices)


def test_every_map_has_both_stages_and_rivals_are_refined_alike(result):
    as_read = {variant for variant in result.maps if variant.stage == Stage.AS_READ}
    assert set(result.maps) == as_read | {variant.at(Stage.REFINED) for variant in as_read}
    images = torch.from_numpy(bright_squares().images[result.indices])
    for variant in as_read - {Variant(PATTERN)}:
        maps = torch.from_numpy(np.stack(result.maps[variant]))
        refined = torch.from_numpy(np.stack(result.maps[variant.at(Stage.REFINED)]))
        torch.testing.assert_close(
            refined,
            refine(maps.clamp(min=0), images),
            rtol=1e-4,
            atol=1e-6 + 1e-5 * maps.abs().max(),
        )
    exact = result.explainer.explain(images, 1)
    for stage, pattern in ((Stage.AS_READ, exact.pattern_as_read), (Stage.REFINED, exact.pattern)):
        maps = np.stack(result.maps[Variant(PATTERN, stage=stage)])
        np.testing.assert_allclose(maps, pattern.abs(), rtol=1e-3, atol=1e-4 * pattern.abs().max())


def test_the_published_method_is_the_evidence_of_a_head_on_labels_of_the_same_network(result):
    assert result.paper.head.target == "labels"
    assert result.paper.model is result.explainer.model
    cohort = bright_squares()
    train = ~cohort.test
    batches = [(torch.from_numpy(cohort.images[train]), torch.from_numpy(cohort.labels[train]))]
    again = HRCAM(result.explainer.model).fit(batches, "labels")
    images = torch.from_numpy(cohort.images[result.indices])
    expected = again.explain(images, 1).evidence
    maps = np.stack(result.maps[Variant(PAPER)])
    np.testing.assert_allclose(maps, expected, atol=1e-3 * float(expected.abs().max()))


def test_the_best_level_and_the_best_fusion_of_each_method_are_selected():
    means = {
        Variant("A", "fine"): 0.2,
        Variant("A", "coarse"): 0.3,
        Variant("A", fusion="mean"): 0.1,
        Variant("A", fusion="max"): 0.15,
        Variant(PATTERN): 0.05,
    }
    assert best_variants(means) == [
        Variant("A", "coarse"), Variant("A", fusion="max"), Variant(PATTERN),
    ]  # fmt: skip
    refined = {
        Variant("A", "fine", stage=Stage.REFINED): 0.6,
        Variant("A", "coarse", stage=Stage.REFINED): 0.4,
    }
    assert best_variants(means | refined) == [
        Variant("A", "fine", stage=Stage.REFINED), Variant("A", "coarse"),
        Variant("A", fusion="max"), Variant(PATTERN),
    ]  # fmt: skip
    assert best_settings(means | refined) == [
        Variant("A", "fine"), Variant("A", "coarse"), Variant("A", fusion="max"), Variant(PATTERN),
    ]  # fmt: skip


def test_the_ratio_to_the_best_rival_by_hand():
    refined = Stage.REFINED
    auprc = {
        Variant(PATTERN): np.array([0.6, 0.4]),
        Variant(PAPER): np.array([0.9, 0.9]),
        Variant(EVIDENCE): np.array([0.9, 0.9]),
        Variant("A", "fine"): np.array([0.2, 0.2]),
        Variant("B", "fine"): np.array([0.3, 0.3]),
        Variant("B", fusion="mean"): np.array([0.4, 0.4]),
        Variant(PATTERN, stage=refined): np.array([0.8, 0.8]),
        Variant("A", "fine", stage=refined): np.array([0.9, 0.7]),
        Variant("B", fusion="mean", stage=refined): np.array([0.5, 0.5]),
    }
    as_read, smooth = (compare_with_best_rival(auprc, stage) for stage in Stage)
    # Each stage has its own best rival, and is compared with no map of the other stage.
    assert as_read.rival == Variant("B", fusion="mean")
    assert smooth.rival == Variant("A", "fine", stage=refined)
    assert as_read.ratio == pytest.approx(0.5 / 0.4)
    assert (as_read.low, as_read.high) == pytest.approx((1, 1.5))
    assert smooth.ratio == pytest.approx(1)


def test_training_repeats_by_seed():
    cohort = bright_squares(16, 16)

    def weights(seed: int) -> torch.Tensor:
        torch.manual_seed(0)
        network = SmallCNN(2, 1, 2, (4, 8))
        train_classifier(
            network, ImageDataset(cohort.images, cohort.labels), epochs=2, batch_size=4, seed=seed
        )
        assert not any(module.training for module in network.modules())
        return network.classifier.weight.detach().clone()

    torch.testing.assert_close(weights(1), weights(1), rtol=0, atol=0)
    assert not torch.equal(weights(1), weights(2))
