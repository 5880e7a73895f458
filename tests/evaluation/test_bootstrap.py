import numpy as np
import pytest

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import bootstrap_interval, paired_ratio_interval


def test_interval_covers_a_known_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        low, high = bootstrap_interval(rng.normal(0.3, 1, size=60), resamples=300)
        covered += low <= 0.3 <= high
    assert 0.88 <= covered / 200 <= 0.99


def test_interval_has_the_width_of_the_normal_one():
    values = np.random.default_rng(1).normal(size=400)
    low, high = bootstrap_interval(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)
    assert low < values.mean() < high
    narrow = bootstrap_interval(values, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_same_seed_same_interval():
    values = np.random.default_rng(2).random(30)
    assert bootstrap_interval(values, seed=4) == bootstrap_interval(values, seed=4)
    assert bootstrap_interval(values, seed=4) != bootstrap_interval(values, seed=5)


def test_a_subject_is_drawn_with_all_its_images():
    subject_means = np.random.default_rng(3).random(20)
    repeated = np.repeat(subject_means, 10)
    groups = np.repeat([f"sub-{i:02d}" for i in range(20)], 10)
    np.testing.assert_allclose(
        bootstrap_interval(repeated, groups), bootstrap_interval(subject_means)
    )
    low, high = bootstrap_interval(repeated)
    grouped_low, grouped_high = bootstrap_interval(repeated, groups)
    assert high - low < (grouped_high - grouped_low) / 2


def test_subjects_count_by_their_images():
    # Draws are (a, a), (a, b) or (b, b): means 0, 3 · 1 / 4 and 1.
    values, groups = [0.0, 1.0, 1.0, 1.0], ["a", "b", "b", "b"]
    assert bootstrap_interval(values, groups, level=0.2) == (0.75, 0.75)


def test_ratio_of_scaled_scores_is_exact():
    values = np.random.default_rng(5).random(25)
    assert paired_ratio_interval(1.25 * values, values) == pytest.approx((1.25, 1.25))


def test_ratio_pairs_images_and_keeps_groups():
    rng = np.random.default_rng(6)
    hard = rng.random(100)
    better, worse = hard + 0.1 + 0.01 * rng.random(100), hard
    low, high = paired_ratio_interval(better, worse)
    assert 1 < low < better.mean() / worse.mean() < high
    shuffled = paired_ratio_interval(better, rng.permutation(worse))
    assert shuffled[1] - shuffled[0] > high - low
    groups = np.repeat(np.arange(10), 10)
    assert paired_ratio_interval(better, worse, groups) != (low, high)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"values": [0.1, np.nan]}, "1 of 2 scores"),
        ({"values": [0.1]}, "at least two subjects"),
        ({"values": []}, "at least two subjects"),
        ({"values": [0.1, 0.2], "groups": ["a", "a"]}, "at least two subjects"),
        ({"values": [0.1, 0.2], "groups": ["a"]}, "Groups have shape"),
        ({"values": [[0.1, 0.2]]}, "shape"),
        ({"values": [0.1, 0.2], "resamples": 0}, "resamples"),
        ({"values": [0.1, 0.2], "level": 1.0}, "level"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(InputError, match=message):
        bootstrap_interval(**arguments)


def test_ratio_refuses():
    with pytest.raises(InputError, match="differ in length"):
        paired_ratio_interval([1.0, 2.0], [1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="not positive"):
        paired_ratio_interval([1.0, 1.0], [1.0, 0.0])
