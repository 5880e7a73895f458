"""Labels that are numbers: which are refused, and how folds share their range."""

import numpy as np
import pytest
from cohort_files import scan

from hrcam.cohort.check.numbers import value_problems
from hrcam.cohort.problems import Reason
from hrcam.cohort.splits import make_folds
from hrcam.cohort.values import number_in, value_of, with_strata
from hrcam.errors import InputError


def aged(ages, **options):
    return [scan(f"p{n:03d}", f"{age}", **options) for n, age in enumerate(ages)]


def hashes(scans):
    return {one.name: one.name for one in scans}


def shown(one):
    return f"{one.name}.png"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("71.5", 71.5),
        ("71,5", 71.5),
        ("-3e2", -300),
        ("1,234.5", None),
        ("inf", None),
        ("AD", None),
    ],
)
def test_a_number_has_a_decimal_point_or_a_comma(text, number):
    assert number_in(text) == number


def test_labels_that_are_no_numbers_are_refused():
    found = value_problems([*aged([20, 30, 40]), scan("x", "old")], shown)
    assert [(one.scan, one.reason, one.refused) for one in found] == [("x", Reason.BAD_VALUE, True)]
    with pytest.raises(InputError, match="the label of x is 'old', and regression needs numbers"):
        value_of(scan("x", "old"))


def test_one_number_everywhere_is_refused():
    (found,) = value_problems(aged([5, "5.0", "5,0"]), shown)
    assert (found.scan, found.message) == ("", "all labels are the number 5")


def test_each_fold_has_its_share_of_every_range_of_the_values():
    ages = np.random.default_rng(0).permutation(np.arange(20, 70))
    scans = aged(ages)
    folds = make_folds(with_strata(scans, hashes(scans), 5), hashes(scans), folds=5)
    values = {one.name: float(one.label) for one in scans}
    for fold in folds:
        ranks = sorted((values[name] - 20) // 10 for name in fold.test)
        assert ranks == sorted([*range(5)] * 2)
    assert sorted(name for fold in folds for name in fold.test) == sorted(values)


def test_scans_of_one_participant_have_one_range_by_their_mean():
    scans = [
        scan(f"p{n}-{visit}", f"{10 * n + visit}", participant=f"p{n}")
        for n in range(8)
        for visit in (0, 50)
    ]
    strata = {one.name: one.label for one in with_strata(scans, hashes(scans), 2)}
    assert len(set(strata.values())) == 4
    assert all(strata[f"p{n}-0"] == strata[f"p{n}-50"] for n in range(8))
    assert strata["p0-0"] == "25 to 35"


def test_the_parts_of_a_split_are_divided_alike():
    scans = [*aged(range(10), split="train")]
    scans += [scan(f"t{n}", f"{100 + n}", split="test") for n in range(3)]
    (fold,) = make_folds(with_strata(scans, hashes(scans), 5), hashes(scans), validation=0.2)
    assert fold.test == ("t0", "t1", "t2")
    assert (len(fold.validation), len(fold.train)) == (5, 5)


def test_too_few_participants_for_the_folds_are_told():
    scans = aged(range(9))
    with pytest.raises(InputError, match=r"with 5 folds needs 10 independent .* and there are 9"):
        with_strata(scans, hashes(scans), 5)
    assert len({one.label for one in with_strata(scans, hashes(scans), 4)}) == 2
