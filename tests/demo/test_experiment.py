"""A result on images whose truth is trivial, so that the right numbers are known."""

import numpy as np
import pytest
import torch

from hrcam.benchmark.variant import EVIDENCE, PATTERN, Variant, best_variants
from hrcam.demo.experiment import LabelledImages, run_experiment
from hrcam.demo.method_scores import compare_with_best_rival
from hrcam.evaluation.localisation import LocalisationScores
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
    table = result.table.set_index("method")
    assert result.accuracy > 0.9
    assert table.loc[PATTERN, "auprc"] > 0.8
    assert table.loc[PATTERN, "pointing"] > 0.9


def test_test_images_with_a_mask_are_mapped(result):
    cohort = bright_squares()
    assert result.indices.tolist() == np.flatnonzero(cohort.test & (cohort.labels == 1)).tolist()
    for stack in result.maps.values():
        assert [one.shape for one in stack] == [(32, 32)] * len(result.indices)


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


def test_the_ratio_to_the_best_rival_by_hand():
    def scores(*values: float) -> LocalisationScores:
        array = np.array(values)
        return LocalisationScores(array, array, array)

    table = {
        Variant(PATTERN): scores(0.6, 0.4, np.nan),
        Variant(EVIDENCE): scores(0.9, 0.9, np.nan),
        Variant("A", "fine"): scores(0.2, 0.2, np.nan),
        Variant("B", "fine"): scores(0.4, 0.4, np.nan),
        Variant("B", fusion="mean"): scores(0.5, 0.5, np.nan),
    }
    single, any_of_all = (
        compare_with_best_rival(table, fused=False),
        compare_with_best_rival(table, fused=True),
    )
    assert (single.rival, any_of_all.rival) == (Variant("B", "fine"), Variant("B", fusion="mean"))
    assert single.ratio == pytest.approx(0.5 / 0.4)
    assert any_of_all.ratio == pytest.approx(1)
    assert single.low == pytest.approx(1)
    assert single.high == pytest.approx(1.5)


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
