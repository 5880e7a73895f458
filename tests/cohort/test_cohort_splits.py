"""Folds: nothing that belongs together is on two sides, whatever the cohort looks like."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from cohort_files import scan
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsClassifier

from hrcam.cohort.nested_subsets import nested_subset, subjects_of
from hrcam.cohort.related import related_scans
from hrcam.cohort.splits import make_folds
from hrcam.errors import InputError


def own_hashes(scans):
    return {s.name: s.name for s in scans}


def many(counts, **options):
    """Scans of one participant each, so many of each class."""
    return [scan(f"{c}{i:03d}", c, **options) for c, n in counts.items() for i in range(n)]


@st.composite
def cohorts(draw):
    """Scans with shared participants, groups and voxels, some classes rare."""
    size = draw(st.integers(12, 60))
    people = draw(st.integers(8, 40))
    scans, hashes = [], {}
    for number in range(size):
        person = draw(st.integers(0, people))
        family = draw(st.one_of(st.none(), st.integers(0, people)))
        one = scan(f"s{number}", draw(st.sampled_from("aabc")), f"p{person}")
        scans.append(one if family is None else replace(one, group=f"f{family}"))
        hashes[one.name] = f"h{draw(st.integers(0, 3 * size))}"
    return scans, hashes


@settings(max_examples=60)
@given(cohorts(), st.integers(2, 5), st.sampled_from([0, 0.15, 0.4]), st.integers(0, 3))
def test_no_leak_ever(cohort, folds, validation, seed):
    scans, hashes = cohort
    classes = {s.label for s in scans}
    try:
        result = make_folds(scans, hashes, folds=folds, validation=validation, seed=seed)
    except InputError:  # only where there is no way
        sets = Counter(c for m in related_scans(scans, hashes) for c in {s.label for s in m})
        assert len(sets) < 2 or min(sets.values()) < folds
        return
    assert len(result) == folds
    by_name = {s.name: s for s in scans}
    tested = Counter(name for fold in result for name in fold.test)
    assert tested == Counter(list(by_name))
    for fold in result:
        parts = [fold.train, fold.validation, fold.test]
        assert sorted(name for part in parts for name in part) == sorted(by_name)
        assert {by_name[name].label for name in fold.train} == classes
        assert bool(fold.validation) <= bool(validation)
        for shared in (
            lambda name: by_name[name].participant,
            lambda name: by_name[name].group,
            lambda name: hashes[name],
        ):
            sides = [{shared(name) for name in part} for part in parts]
            assert sum(map(len, sides)) == len(set().union(*sides))


@given(cohorts(), st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(cohort, random):
    scans, hashes = cohort
    try:
        expected = make_folds(scans, hashes, folds=2)
    except InputError:
        return
    assert make_folds(random.sample(scans, len(scans)), hashes, folds=2) == expected


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(5, 40), min_size=2),
    st.integers(2, 5),
    st.integers(0, 5),
)
def test_independent_participants_are_stratified(counts, folds, seed):
    scans = many(counts)
    result = make_folds(scans, own_hashes(scans), folds=folds, validation=0.2, seed=seed)
    for fold in result:
        for label, total in counts.items():
            parts = (fold.train, fold.validation, fold.test)
            train, validation, test = [sum(name[0] == label for name in part) for part in parts]
            assert abs(test - total / folds) <= 1
            assert abs(validation - max(1, 0.2 * (total - test))) <= 0.5
            assert train >= 1


def test_the_seed_changes_the_folds_and_nothing_else_does():
    scans = many({"a": 20, "b": 20})
    first, again, other = (make_folds(scans, own_hashes(scans), seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_each_repeat_is_another_division_of_all_scans_and_leaves_the_first_as_it_is():
    scans = many({"a": 9, "b": 11})
    once = make_folds(scans, own_hashes(scans), folds=3, seed=4)
    result = make_folds(scans, own_hashes(scans), folds=3, repeats=4, seed=4)
    assert result[:3] == once
    assert [fold.repeat for fold in result] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    divisions = {frozenset(fold.test for fold in result[i : i + 3]) for i in range(0, 12, 3)}
    assert len(divisions) == 4
    for division in divisions:
        assert sorted(name for test in division for name in test) == sorted(own_hashes(scans))
    for fold in result:
        assert not {*fold.train, *fold.validation} & {*fold.test}


def test_more_repeats_than_ways_to_divide_are_refused():
    scans = many({"a": 2, "b": 2})
    with pytest.raises(InputError, match="too few for 9 different divisions into 2 folds"):
        make_folds(scans, own_hashes(scans), folds=2, repeats=9)


def test_repeats_of_a_split_of_the_table_keep_it_and_set_others_aside():
    scans = many({"a": 20, "b": 20})
    own = [replace(one, split=("train", "test")[i % 2]) for i, one in enumerate(scans)]
    found = make_folds(own, own_hashes(own), repeats=3, validation=0.2)
    assert [fold.repeat for fold in found] == [1, 2, 3]
    assert found[0] == make_folds(own, own_hashes(own), validation=0.2)[0]
    assert len({fold.test for fold in found}) == 1
    assert len({tuple(sorted((*fold.train, *fold.validation))) for fold in found}) == 1
    assert len({fold.validation for fold in found}) == 3
    parts = ("train", "test", "validation")
    given = [replace(one, split=parts[i % 3]) for i, one in enumerate(scans)]
    first, second = make_folds(given, own_hashes(given), repeats=2)
    assert replace(second, repeat=1) == first


@given(cohorts(), st.integers(0, 3))
def test_subsets_of_a_fold_are_nested_whole_and_have_every_class(cohort, seed):
    scans, hashes = cohort
    try:
        fold = make_folds(scans, hashes, folds=2, seed=seed)[0]
    except InputError:
        return
    by_name = {s.name: s for s in scans}
    quarter, half, whole = (
        nested_subset(fold, scans, hashes, share, seed) for share in (0.25, 0.5, 1)
    )
    assert whole == fold
    for part in ("train", "validation"):
        names = [set(getattr(one, part)) for one in (quarter, half, fold)]
        assert names[0] <= names[1] <= names[2]
        for kept in names[:2]:
            assert {by_name[n].label for n in kept} == {by_name[n].label for n in names[2]}
            left = names[2] - kept
            assert not {by_name[n].group for n in kept} & {by_name[n].group for n in left}
            assert not {hashes[n] for n in kept} & {hashes[n] for n in left}
    assert quarter.test == half.test == fold.test
    assert subjects_of(quarter, scans) <= subjects_of(half, scans) <= subjects_of(fold, scans)


def test_a_share_of_independent_subjects_is_that_share_of_each_class():
    scans = many({"a": 50, "b": 30})
    fold = make_folds(scans, own_hashes(scans), validation=0)[0]
    half = nested_subset(fold, scans, own_hashes(scans), 0.5)
    assert Counter(name[0] for name in half.train) == {"a": 20, "b": 12}
    assert subjects_of(half, scans) == 32
    with pytest.raises(InputError, match="share is 0"):
        nested_subset(fold, scans, own_hashes(scans), 0)


def test_relations_reach_through_others():
    scans = [
        scan("s1", participant="p1"),
        scan("s2", participant="p1", group="family"),
        scan("s3", participant="p2", group="family"),
        scan("s4", participant="p3"),
        scan("s5", participant="p4"),
    ]
    hashes = {"s1": "x", "s2": "y", "s3": "z", "s4": "z", "s5": "w"}
    assert [[s.name for s in members] for members in related_scans(scans, hashes)] == [
        ["s1", "s2", "s3", "s4"],
        ["s5"],
    ]


def test_a_participant_with_the_name_of_a_group_is_not_of_it():
    scans = [scan("s1", participant="1"), scan("s2", participant="2", group="g")]
    scans += [scan("s3", participant="g", group="3")]
    assert len(related_scans(scans, own_hashes(scans))) == 3


def test_a_class_with_too_few_participants_is_named():
    scans = [*many({"a": 9, "rare": 3}), scan("again", "rare", "rare000")]
    with pytest.raises(InputError, match=r"5 folds need 5 .* 'rare' has 3: use fewer folds"):
        make_folds(scans, own_hashes(scans))
    assert len(make_folds(scans, own_hashes(scans), folds=3)) == 3


def test_a_group_that_is_a_diagnosis_gets_a_hint():
    scans = many({"a": 9}, group="patients") + many({"b": 9}, group="controls")
    with pytest.raises(InputError, match="rename it to label"):
        make_folds(scans, own_hashes(scans))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"folds": 1}, "folds is 1"),
        ({"validation": 0.6}, "validation is 0.6"),
        ({"validation": float("nan")}, "validation is nan"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_that_cannot_be(options, message):
    scans = many({"a": 9, "b": 9})
    with pytest.raises(InputError, match=message):
        make_folds(scans, own_hashes(scans), **options)


def test_scans_that_cannot_be_divided():
    scans = many({"a": 9, "b": 9})
    with pytest.raises(InputError, match="1 of 19 scans have no label, as 'x'"):
        make_folds([*scans, scan("x", None)], {**own_hashes(scans), "x": ""})
    with pytest.raises(InputError, match="1 scans have no voxel hash, as 'x'"):
        make_folds([*scans, scan("x")], own_hashes(scans))
    with pytest.raises(InputError, match="share their name"):
        make_folds([*scans, scans[0]], own_hashes(scans))
    with pytest.raises(InputError, match="no scan"):
        make_folds([], {})
    with pytest.raises(InputError, match="all scans are of the class 'a'"):
        make_folds(many({"a": 9}), own_hashes(scans))


def split_scans(**splits):
    """Two participants of each class for each part."""
    return [
        scan(f"{label}-{part}-{i}", label, split=split)
        for part, split in splits.items()
        for label in "ab"
        for i in range(2)
    ]


def test_the_split_of_the_table_is_the_only_fold():
    scans = split_scans(x="train", y="validation", z="test")
    (fold,) = make_folds(scans, own_hashes(scans))
    assert fold.train == ("a-x-0", "a-x-1", "b-x-0", "b-x-1")
    assert fold.validation == ("a-y-0", "a-y-1", "b-y-0", "b-y-1")
    assert fold.test == ("a-z-0", "a-z-1", "b-z-0", "b-z-1")


def test_validation_comes_out_of_the_training_part_where_the_table_has_none():
    scans = split_scans(x="train", z="test")
    (fold,) = make_folds(scans, own_hashes(scans))
    assert len(fold.train) == len(fold.validation) == 2
    assert {name[0] for name in fold.train} == {name[0] for name in fold.validation} == {"a", "b"}
    assert fold.test == ("a-z-0", "a-z-1", "b-z-0", "b-z-1")


def test_splits_of_a_table_that_cannot_be_used():
    scans = split_scans(x="train", z="test")

    def fails(scans, message, **hashes):
        with pytest.raises(InputError, match=message):
            make_folds(scans, {**own_hashes(scans), **hashes})

    fails(split_scans(x="train"), "no 'test'")
    fails(split_scans(x="test"), "no 'train'")
    fails([replace(scans[0], split=None), *scans[1:]], "split of a-x-0 is None")
    fails([replace(scans[0], split="holdout"), *scans[1:]], "is holdout: write one of train")
    fails(scans, "a-x-0, a-z-0 belong together", **{"a-x-0": "same", "a-z-0": "same"})
    fails([replace(s, participant="p") for s in scans], "belong together")
    fails([s for s in scans if not s.name.startswith("b-x")], "no scan of the class 'b'")


def accuracy(images, labels, folds):
    """Share of images whose nearest neighbour in the training part has their label."""
    right = []
    for train, test in folds:
        nearest = KNeighborsClassifier(1).fit(images[train], labels[train])
        right.extend(nearest.predict(images[test]) == labels[test])
    return np.mean(right)


def test_subjects_known_from_training_do_not_make_a_nearest_neighbour_look_good():
    """Labels are random: what a classifier gets right beyond chance, it got from leaks."""
    random = np.random.default_rng(0)
    scans, images = [], []
    for subject in range(120):
        face = random.normal(size=50)
        label = "ab"[random.integers(2)]
        for session in range(3):
            name = f"s{subject}-{session}"
            # One session in four is filed under another participant: the same voxels twice.
            alias = f"alias{subject}" if session == 0 and subject % 4 == 0 else f"s{subject}"
            scans.append(scan(name, label, alias))
            images.append(face + (0.1 * random.normal(size=50) if session > 1 else 0))
    images, labels = np.array(images), np.array([s.label for s in scans])
    hashes = {s.name: image.tobytes().hex() for s, image in zip(scans, images, strict=True)}
    place = {s.name: i for i, s in enumerate(scans)}
    naive = KFold(5, shuffle=True, random_state=0).split(images)
    ours = [
        ([place[n] for n in (*fold.train, *fold.validation)], [place[n] for n in fold.test])
        for fold in make_folds(scans, hashes)
    ]
    assert accuracy(images, labels, naive) > 0.95
    # 120 independent subjects: chance is 0.5 ± 0.046, so 0.64 is three deviations above.
    assert accuracy(images, labels, ours) < 0.64
