"""Labels that are no classes, and classes that go with the site: one line for one cause."""

import numpy as np
import pytest
from cohort_files import scan, write_table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hrcam.cohort.check.labels import (
    class_problems,
    imbalance_problems,
    label_problems,
    spelling_problems,
)
from hrcam.cohort.check.sites import cramers_v, site_problems
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import Reason


def shown(one):
    return f"{one.name}.png"


def classes(scans):
    hashes = {one.name: one.name for one in scans}
    return class_problems(scans, hashes, shown)


def sited(counts):
    """Scans of a participant each, as many of each class at each site as told."""
    return [
        scan(f"{site}-{label}-{number}", label, site=site)
        for site, labels in counts.items()
        for label, count in labels.items()
        for number in range(count)
    ]


def test_without_labels_a_column_group_that_may_hold_them_is_named():
    scans = [scan(f"p{n}", None, group=("AD", "HC")[n % 2]) for n in range(26)]
    (found,) = label_problems(scans, shown)
    assert (found.scan, found.reason, found.refused) == ("", Reason.NO_LABEL, False)
    assert "in the column group are 'AD', 'HC'" in found.message
    assert "rename it to label" in found.advice


@pytest.mark.parametrize("count", [1, 40])
def test_groups_that_cannot_be_classes_are_not_named(count):
    scans = [scan(f"p{n}", None, group=f"family{n % count}") for n in range(80)]
    (found,) = label_problems(scans, shown)
    assert found.message == "no scan has a label"


def test_a_missing_number_is_advised_as_a_number():
    (found,) = label_problems([scan("p1", None), scan("p2", "3")], shown, "regression")
    assert (found.scan, found.reason) == ("p1", Reason.NO_LABEL)
    assert found.advice == "fill in the number in the column of the labels, or leave the scan out"
    (found,) = label_problems([scan("p1", None), scan("p2", "a")], shown)
    assert found.advice.startswith("fill in the column of the labels, or leave")


def test_many_classes_that_are_numbers_are_warned_of():
    (found,) = classes([scan(f"p{n}", str(18 + n % 12)) for n in range(48)])
    assert (found.scan, found.reason, found.refused) == ("", Reason.BAD_VALUE, False)
    assert found.message == "12 classes, whose labels are numbers"
    assert found.advice.startswith("add --task regression if they are values")
    assert classes([scan(f"p{n}", str(n % 6)) for n in range(48)]) == []
    assert classes([scan(f"p{n}", f"grade {n % 8}") for n in range(48)]) == []


def test_a_group_that_repeats_the_class_is_one_line():
    scans = [scan(f"p{n}", "ab"[n % 2], group="ab"[n % 2]) for n in range(26)]
    (found,) = classes(scans)
    assert (found.scan, found.reason) == ("", Reason.SMALL_CLASS)
    assert "the column group leaves no two classes" in found.message
    assert "keeps 13 scans together" in found.message


def test_labels_of_one_participant_each_are_one_line():
    (found,) = classes([scan(f"p{n}", f"code{n}") for n in range(26)])
    assert (found.scan, found.refused) == ("", True)
    assert found.message.endswith("'code12': 1, 'code13': 1 and 20 more classes")


@pytest.mark.parametrize("repeats", [1, 2])
def test_measurements_are_no_classes(repeats):
    """Also where a few participants share a value, and where each has two scans."""
    scans = [
        scan(f"p{n}-{r}", f"{60 + 0.5 * (n % 20)}", participant=f"p{n}")
        for n in range(26)
        for r in range(repeats)
    ]
    (found,) = classes(scans)
    assert found.message == (
        "the labels look like measurements: 20 different numbers, as 60.0, 60.5, 61.0"
    )
    assert "add --task regression" in found.advice
    assert "bin them into a few classes" in found.advice


def test_measurements_with_a_decimal_comma_are_no_classes():
    (found,) = classes([scan(f"p{n}", f"{60 + n},5") for n in range(26)])
    assert found.message == (
        "the labels look like measurements: 26 different numbers, as 60,5, 61,5, 62,5"
    )


def imbalance(*counts, of_each=1):
    """What is said of classes a, b, ... of so many participants, each with some scans."""
    scans = [
        scan(f"{label}{n}-{k}", label, participant=f"{label}{n}")
        for label, count in zip("abc", counts, strict=False)
        for n in range(count)
        for k in range(of_each)
    ]
    found = imbalance_problems(scans, {one.name: one.name for one in scans})
    assert {(one.scan, one.reason, one.refused) for one in found} <= {
        ("", Reason.CLASS_IMBALANCE, False)
    }
    return [one.message for one in found]


def test_a_class_with_less_than_a_tenth_of_the_participants_of_the_largest_is_warned_of():
    assert imbalance(95, 5) == ["the class 'b' has 5 participants, and 'a' has 95"]
    assert imbalance(95, 5, of_each=2) == imbalance(95, 5)
    assert imbalance(4, 50, 3) == [
        "the class 'a' has 4 participants, and 'b' has 50",
        "the class 'c' has 3 participants, and 'b' has 50",
    ]
    assert imbalance(90, 9) == imbalance(50, 50) == imbalance() == []


def test_many_numbers_are_measurements_even_if_some_participants_share_each():
    (found,) = classes([scan(f"p{n}", f"{20 + n % 50}") for n in range(200)])
    assert found.message.startswith("the labels look like measurements: 50 different numbers")
    (found,) = classes([scan(f"p{n}", f"{20 + n % 50}") for n in range(250)])
    assert (found.message, found.refused) == ("50 classes, whose labels are numbers", False)


def test_grades_are_classes():
    assert classes([scan(f"p{n}", str(n % 6)) for n in range(30)]) == []


def test_words_are_no_measurements():
    scans = [scan(f"p{n}", f"type{n // 2}") for n in range(12)]
    assert classes([*scans, scan("rare", "type9")])[0].scan == "rare"


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("pateint", "patient"),
        ("Malignent", "malignant"),
        ("controls", "control"),
        ("beniggn", "benign"),
    ],
)
def test_a_small_class_that_is_a_misspelt_large_one_is_warned_of(small, large):
    scans = [scan(f"p{n}", large) for n in range(12)] + [scan(f"c{n}", "other") for n in range(12)]
    (found,) = spelling_problems([*scans, scan("x", small), scan("y", small)])
    assert (found.reason, found.refused) == (Reason.DUPLICATE_NAME, False)
    assert found.message == (
        f"the class {small!r} has 2 participants, and may be a misspelling of {large!r}, "
        "which has 12"
    )


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("grade 1", "grade 2"), ("type_a", "type_b"), ("AD", "HC"), ("normal", "abnormal"),
        ("MCI", "MS"), ("T1", "T2"), ("male", "female"),
    ],
)  # fmt: skip
def test_names_of_different_classes_are_no_misspellings(small, large):
    scans = [scan(f"p{n}", large) for n in range(12)]
    assert spelling_problems([*scans, scan("x", small), scan("y", small)]) == []


def test_two_large_classes_of_similar_names_are_two_classes():
    scans = [scan(f"p{n}", ("benign", "benigna")[n % 2]) for n in range(24)]
    assert spelling_problems(scans) == []


@pytest.mark.parametrize(
    ("counts", "strength"),
    [
        ([[11, 1], [1, 11]], 0.82),
        ([[10, 10], [10, 10]], 0.0),
        ([[10, 0], [0, 10]], 1.0),
        ([[5, 5, 5]], 0.0),
    ],
)
def test_cramers_v_by_hand(counts, strength):
    assert cramers_v(np.array(counts, dtype=float)) == pytest.approx(strength, abs=0.005)


@given(
    arrays.arrays(float, st.tuples(st.integers(1, 4), st.integers(1, 4)),
                  elements=st.integers(1, 30).map(float))
)  # fmt: skip
def test_cramers_v_is_between_0_and_1_whichever_way_the_table_lies(counts):
    strength = cramers_v(counts)
    assert 0 <= strength <= 1
    assert cramers_v(counts.T) == pytest.approx(strength, abs=1e-9)


def test_a_class_that_nearly_goes_with_the_site_is_warned_of():
    scans = sited({"A": {"AD": 11, "HC": 1}, "B": {"AD": 1, "HC": 11}})
    (found,) = site_problems(scans)
    assert (found.reason, found.refused) == (Reason.CONFOUNDED_SITE, False)
    assert "Cramér's V is 0.82 over 24 participants" in found.message


def test_sites_of_one_class_each_are_warned_of_also_where_no_class_has_one_site():
    sites = {"A": {"AD": 6}, "B": {"AD": 6}, "C": {"HC": 6}, "D": {"HC": 6}}
    (found,) = site_problems(sited(sites))
    assert "Cramér's V is 0.95" in found.message


@pytest.mark.parametrize(
    "counts",
    [
        {"A": {"AD": 8, "HC": 4}, "B": {"AD": 4, "HC": 8}},
        {"A": {"AD": 5, "HC": 1}, "B": {"AD": 1, "HC": 5}},  # too few to tell from chance
        {"A": {"AD": 12, "HC": 12}},
        {f"S{n}": {"AD": 1, "HC": 1} for n in range(15)},
    ],
    ids=["weak", "few", "one site", "many small sites"],
)
def test_what_may_be_chance_is_not_warned_of(counts):
    assert site_problems(sited(counts)) == []


def test_sessions_do_not_make_an_association():
    """Six participants are too few, however often each was scanned."""
    sites = {"A": {"AD": 2, "HC": 1}, "B": {"AD": 1, "HC": 2}}
    scans = [
        scan(f"{one.name}-{n}", one.label, participant=one.participant, site=one.site or "")
        for one in sited(sites)
        for n in range(9)
    ]
    assert site_problems(scans) == []


def test_classes_that_differ_by_their_spelling_only_are_warned_of(tmp_path):
    labels = ["AD", "ad ", "HC", "Mild  AD", "mild AD"]
    rows = [
        {"participant_id": f"p{n}", "image": f"{n}.png", "label": label}
        for n, label in enumerate(labels)
    ]
    problems = open_cohort(write_table(tmp_path / "t.tsv", rows)).problems
    assert [(p.reason, p.refused) for p in problems] == [(Reason.DUPLICATE_NAME, False)] * 2
    assert [p.message for p in problems] == [
        "taken for different classes: 'AD', 'ad'",
        "taken for different classes: 'Mild  AD', 'mild AD'",
    ]
