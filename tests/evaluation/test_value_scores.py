import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import mean_absolute_error, r2_score

from hrcam.errors import InputError
from hrcam.evaluation.value_scores import score_values, value_differences


@pytest.fixture
def values():
    generator = np.random.default_rng(0)
    true = generator.integers(0, 12, 60).astype(float)  # with ties
    return true, true + generator.normal(0, 2, 60).round()


def test_scores_are_those_of_other_libraries(values):
    found = score_values(*values, resamples=10).metrics
    expected = {
        "r2": r2_score(*values),
        "mae": mean_absolute_error(*values),
        "pearson": stats.pearsonr(*values).statistic,
        "spearman": stats.spearmanr(*values).statistic,
    }
    assert {name: one.value for name, one in found.items()} == pytest.approx(expected)


def test_resamples_are_of_subjects_with_all_their_images(values):
    """A subject twice as often is as the same images twice, also in ranks with ties."""
    true, predicted = values
    twice = [np.repeat(one, 2) for one in values]
    single = score_values(true, predicted, groups=np.arange(60), seed=3)
    double = score_values(*twice, groups=np.repeat(np.arange(60), 2), seed=3)
    for name, one in single.metrics.items():
        other = double.metrics[name]
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high))
        assert one.low < one.value < one.high
    assert (double.images, double.subjects, double.resamples) == (120, 60, 2000)


def test_repeats_are_scored_alone_and_averaged(values):
    true, predicted = values
    worse = predicted + 3
    both = score_values(
        np.tile(true, 2),
        np.concatenate([predicted, worse]),
        groups=np.tile(np.arange(60), 2),
        repeats=np.repeat([1, 2], 60),
        resamples=20,
    )
    alone = [
        score_values(true, one, resamples=20).metrics["r2"].value for one in (predicted, worse)
    ]
    assert both.metrics["r2"].value == pytest.approx(np.mean(alone))
    assert (both.images, both.subjects, both.repeats) == (60, 60, 2)


def test_a_difference_is_paired(values):
    true, predicted = values
    found = value_differences(true, predicted, predicted + 0.5, resamples=200)
    assert found["pearson"].value == pytest.approx(0, abs=1e-12)
    assert found["pearson"].low is None  # the same in every resample
    assert found["mae"].low < found["mae"].value < found["mae"].high


def test_constant_values_have_no_correlation():
    found = score_values([1.0, 2, 3], [5.0, 5, 5], resamples=10).metrics
    assert found["pearson"].value is None
    assert found["r2"].value == pytest.approx(1 - (16 + 9 + 4) / 2)


@pytest.mark.parametrize(
    ("true", "predicted", "message"),
    [
        ([1.0], [1.0, 2.0], "1 true values and 2"),
        ([1.0, np.nan], [1.0, 2.0], "1 of 2 values are NaN"),
        ([], [], "give one for each image"),
    ],
)
def test_values_that_cannot_be_scored_are_refused(true, predicted, message):
    with pytest.raises(InputError, match=message):
        score_values(true, predicted)
