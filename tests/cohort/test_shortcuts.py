"""What tells the class without a network: planted sources are found, chance is not."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_files import scan

from hrcam.cohort import open_cohort
from hrcam.cohort.border import border_of
from hrcam.cohort.check.shortcuts import shortcut_problems
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.shortcuts import Division, cohort_sources, is_enough, measure_shortcuts
from hrcam.cohort.shortcuts.kinds import kind_of, prefix_of


def fact(name, shape=(64, 64), **other):
    known = {"format": "picture", "spacing": (1.0, 1.0), "orientation": "", "foreground": shape}
    return ScanFacts(name=name, shape=shape, percentiles=((0.0,) * 5,), voxel_hash=name,
                     **known | other)  # fmt: skip


def cohort(number=60, classes="ab", **columns):
    """Scans of as many participants, in turn of each class; columns are functions of the place."""
    return [
        replace(
            scan(f"s{place:03d}", classes[place % len(classes)]),
            columns={name: str(value(place)) for name, value in columns.items()},
        )
        for place in range(number)
    ]


def facts_of(scans, **other):
    return {one.name: fact(one.name, **other) for one in scans}


def divisions(number, folds=5):
    """Every fifth pair of scans, so that all parts have both classes."""
    fold = np.arange(number) // 2 % folds
    return [Division(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(folds)]


def measured(scans, facts=None, network=None, classes="ab", **options):
    rows = measure_shortcuts(
        cohort_sources(scans, facts or facts_of(scans)), scans, list(classes),
        divisions(len(scans)), network=network, resamples=300, **options,
    )  # fmt: skip
    return {(row.source, row.class_name): row for row in rows}


@pytest.mark.parametrize(
    ("identifier", "kind", "prefix"),
    [
        ("MR040240", "A2D6", "mr"),
        ("MR040240B", "A2D6A1", "mr"),
        ("100360", "D6", ""),
        ("sub-01_ses-2", "A3-D2_A3-D1", "sub"),
        ("benign (12).png", "* (D2).A3", ""),
        ("Malignant_7", "*_D1", ""),
        ("Ärztin7", "A6D1", "ärztin"),
        ("\x00\u2028日", "??A1", ""),
        ("", "", ""),
    ],
)
def test_the_kind_of_an_identifier_names_nobody(identifier, kind, prefix):
    classes = ["benign", "malignant", "a"]
    assert kind_of(identifier, classes) == kind
    assert prefix_of(identifier, classes) == prefix


def test_the_auc_of_a_column_of_two_values_is_the_mean_of_its_two_rates():
    # Of each class 25 of 30 have its own value, 5 of 6 in each fold: both rates are 5/6.
    scans = cohort(scanner=lambda place: "AB"[(place % 2) ^ (place // 2 % 6 == 0)])
    row = measured(scans)["column scanner", "all"]
    assert row.auc == pytest.approx(5 / 6)
    assert 0.7 < row.low < 5 / 6 < row.high < 0.95
    assert (row.warned, row.scans, row.participants) == ("strong", 60, 60)
    assert row.detail == "A: a 25, b 5; B: a 5, b 25"
    assert row.network is None
    assert row.difference is None


def test_a_planted_column_a_size_and_a_kind_of_identifier_are_found_and_random_ones_are_not():
    generator = np.random.default_rng(0)
    scans = cohort(
        age=lambda place: round(60 + 8 * (place % 2) + generator.normal(0, 5), 1),
        hand=lambda place: "LR"[generator.integers(2)],
        height=lambda place: round(generator.normal(170, 9)),
        visit=lambda place: 1,
    )
    scans = [
        replace(one, group=f"MR{place:06d}" if place % 2 and place > 9 else f"{place:06d}")
        for place, one in enumerate(scans)
    ]
    facts = {
        one.name: fact(one.name, (512, 512) if one.label == "a" else (630 + place, 512))
        for place, one in enumerate(scans)
    }
    rows = measured(scans, facts)
    warned = {source for (source, _), row in rows.items() if row.warned}
    assert warned == {"column age", "kind of group", "image size", "all of these"}
    assert rows["kind of group", "all"].auc == pytest.approx((25 / 30 + 1) / 2)
    assert rows["kind of group", "all"].detail == "D6: a 30, b 5; A2D6: b 25"
    assert rows["image size", "all"].auc == 1
    assert not any("MR0" in row.detail or "000" in row.detail for row in rows.values())
    assert {source for source, _ in rows} == {
        *("column age", "column hand", "column height", "kind of group", "image size"),
        "all of these",
    }


def test_of_more_classes_the_one_that_is_told_best_is_named():
    scans = cohort(90, "abc", scanner=lambda place: "new" if place % 3 == 2 else "old")
    fold = np.arange(90) // 3 % 5
    parts = [Division(np.flatnonzero(fold != i), np.flatnonzero(fold == i)) for i in range(5)]
    every, best = measure_shortcuts(
        cohort_sources(scans, facts_of(scans)), scans, ["a", "b", "c"], parts, resamples=200
    )
    assert every.auc == pytest.approx((1 + 0.75 + 0.75) / 3)
    assert (best.class_name, best.auc, best.low, best.warned) == ("c", 1, None, "strong")


@pytest.mark.parametrize(
    ("quality", "warned"), [(8.0, "strong"), (1.0, "as the network"), (0.0, "as the network")]
)
def test_a_source_is_compared_with_the_network_on_the_same_scans(quality, warned):
    scans = cohort(scanner=lambda place: "AB"[(place % 2) ^ (place // 2 % 6 == 0)])
    tested = np.concatenate([division.tested for division in divisions(60)])
    noise = np.random.default_rng(3).normal(size=60)
    positive = 1 / (1 + np.exp(-quality * (2 * (tested % 2) - 1) - noise))
    network = np.stack([1 - positive, positive], axis=1)
    row = measured(scans, network=network)["column scanner", "all"]
    assert row.warned == warned
    assert row.difference == pytest.approx(row.network - 5 / 6)


def test_chance_is_warned_of_in_one_of_twenty_cohorts_at_most():
    flagged = 0
    for seed in range(20):
        generator = np.random.default_rng(seed)
        scans = cohort(
            site=lambda place, g=generator: "ABCD"[g.integers(4)],
            age=lambda place, g=generator: round(g.normal(60, 9)),
            score=lambda place, g=generator: round(g.normal(), 3),
        )
        tested = np.concatenate([division.tested for division in divisions(60)])
        positive = 1 / (1 + np.exp(-1.5 * (2 * (tested % 2) - 1) - generator.normal(size=60)))
        rows = measured(scans, network=np.stack([1 - positive, positive], axis=1), seed=seed)
        assert len(rows) == 4
        flagged += any(row.warned for row in rows.values())
    assert flagged <= 1


def test_a_cohort_is_warned_of_with_the_numbers_and_what_to_do():
    scans = cohort(scanner=lambda place: "AB"[place % 2], site=lambda place: "XY"[place % 2])
    hashes = {one.name: one.name for one in scans}
    found = shortcut_problems(scans, facts_of(scans), hashes, known=("column site",))
    assert [problem.reason for problem in found] == ["shortcut"]
    assert found[0].message == (
        "the column scanner alone tells the classes, with an AUC of 1.00 over 60 participants or "
        "groups (A: a 30; B: b 30)"
    )
    assert found[0].advice == (
        "add scans of the class 'a' with another scanner, then test with `hrcam train --leave-out "
        "scanner`; a score of the disease itself is no shortcut"
    )
    assert not found[0].refused
    assert len(shortcut_problems(scans, facts_of(scans), hashes)) == 2


def test_the_advice_fits_the_source():
    def advice(facts=None, **columns):
        scans = cohort(**columns)
        found = shortcut_problems(
            scans, facts or facts_of(scans), {one.name: one.name for one in scans}
        )
        return {problem.message.split(" alone")[0]: problem.advice for problem in found}

    def mixed(place):
        return "AB"[(place % 2) ^ (place // 2 % 6 == 0)]

    found = advice(**{"mr unit": mixed})
    assert found["the column mr unit"].startswith("test with `hrcam train --leave-out 'mr unit'`")
    found = advice(mmse=lambda place: 20 + place % 2 * 6 + place // 2 % 6)
    assert found["the column mmse"] == (
        "score the network within its values: `hrcam train --by mmse`, or compare scans of equal "
        "mmse; a score of the disease itself is no shortcut"
    )
    sizes = {
        one.name: fact(one.name, (64 + 8 * (place % 2), 64)) for place, one in enumerate(cohort())
    }
    assert advice(sizes)["the image size"].startswith(
        "compare scans that are alike in the image size; where a column says from which site"
    )
    assert advice(sizes, hospital=lambda place: place // 2 % 3)["the image size"] == (
        "test with `hrcam train --leave-out hospital`; or compare scans that are alike in the "
        "image size"
    )


def test_too_small_a_cohort_is_not_measured():
    scans = cohort(18, scanner=lambda place: "AB"[place % 2])
    assert not is_enough(scans)
    assert is_enough(cohort(20))
    assert not is_enough([*cohort(40), *(scan(f"x{i}", "c") for i in range(4))])
    assert shortcut_problems(scans, facts_of(scans), {one.name: one.name for one in scans}) == []


@pytest.mark.real_data
def test_the_hospital_that_gives_gliomas_away_is_found_by_the_kind_of_its_ids(real_data):
    scans = open_cohort(real_data / "cheng_t1ce").scans
    hashes = {one.name: one.name for one in scans}
    (found,) = shortcut_problems(scans, facts_of(scans), hashes)
    assert found.message.startswith(
        "the kind of group alone tells the class 'glioma', with an AUC of 0.90 (0.8"
    )
    assert "A2D6: glioma 43" in found.message
    assert "MR0" not in found.message


def test_the_border_of_an_image_is_its_outermost_sixteenth():
    voxels = np.zeros((2, 32, 48), np.float32)
    voxels[0, :2] = 4  # the first side of the first axis
    voxels[0, 2:30, -3:] = [1, 2, 3]  # the last side of the second axis
    first, second = np.array(border_of(voxels))
    assert not second.any()
    sides = first.reshape(4, 5)
    assert sides[0].tolist() == [4, 0, 4, 4, 4]
    assert sides[1].tolist() == [0, 0, 0, 0, 0]
    last = np.concatenate([np.full(6, 4.0), np.tile([1.0, 2, 3], 28), np.zeros(6)])
    expected = [last.mean(), last.std(), *np.percentile(last, [5, 50, 95])]
    assert sides[3].tolist() == pytest.approx(expected, abs=1e-6)


def test_a_mark_at_the_border_is_found():
    generator = np.random.default_rng(0)
    scans, facts = cohort(40), {}
    for place, one in enumerate(scans):
        voxels = generator.normal(100, 20, (1, 32, 32)).astype(np.float32)
        voxels[0, :1, :8] += 150 * (place % 2)
        facts[one.name] = fact(one.name, border=border_of(voxels))
    row = measured(scans, facts)["border of the image", "all"]
    assert row.auc > 0.95
    assert row.warned == "strong"
