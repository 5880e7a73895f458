"""Folds by site: what is tested comes from a site that the network has seen nothing of."""

from collections import Counter
from dataclasses import replace

import pytest
from cohort_files import scan
from hypothesis import given
from hypothesis import strategies as st

from hrcam.cohort.check.sites import left_out_problems
from hrcam.cohort.leave_out import leave_out_folds
from hrcam.errors import InputError


def at(site, name, label, participant="", **other):
    columns = {} if site is None else {"site": site}
    return replace(scan(name, label, participant, **other), columns=columns)


def hashes(scans):
    return {one.name: one.name for one in scans}


def scored(column, number, text=""):
    one = scan(f"n{number}", "ab"[number // 11 % 2])
    return replace(one, columns={column: f"{text}{number % 11}"})


THREE_SITES = [
    at(site, f"{site}{label}{number}", label)
    for site in ("s10", "s2", "s1")
    for label in "ab"
    for number in range(4)
]


def test_each_site_is_tested_by_a_fold_that_has_seen_none_of_it():
    folds = leave_out_folds(THREE_SITES, hashes(THREE_SITES), "Site", validation=0.25)
    assert [fold.left_out for fold in folds] == ["s1", "s2", "s10"]
    for fold in folds:
        assert fold.test == tuple(f"{fold.left_out}{end}" for end in
                                  ("a0", "a1", "a2", "a3", "b0", "b1", "b2", "b3"))  # fmt: skip
        assert len(fold.validation) == 4
        everything = [*fold.train, *fold.validation, *fold.test]
        assert sorted(everything) == sorted(one.name for one in THREE_SITES)
        assert not fold.unused


def test_who_was_scanned_at_two_sites_is_seen_by_neither_of_their_folds():
    travels = [at("s1", "t1", "a", "t"), at("s2", "t2", "a", "t")]
    scans = [*THREE_SITES, *travels]
    folds = {fold.left_out: fold for fold in leave_out_folds(scans, hashes(scans), "site")}
    assert "t1" in folds["s1"].test
    assert folds["s1"].unused == ("t2",)
    assert "t2" in folds["s2"].test
    assert folds["s2"].unused == ("t1",)
    seen = {*folds["s10"].train, *folds["s10"].validation}
    assert {"t1", "t2"} <= seen
    assert folds["s10"].unused == ()


@st.composite
def cohorts(draw):
    scans, images = [], {}
    for number in range(draw(st.integers(6, 40))):
        one = at(
            draw(st.sampled_from("xyz")), f"s{number}", draw(st.sampled_from("ab")),
            f"p{draw(st.integers(0, 20))}",
        )  # fmt: skip
        scans.append(one)
        images[one.name] = f"h{draw(st.integers(0, 80))}"
    return scans, images


@given(cohorts(), st.sampled_from([0, 0.3]))
def test_no_leak_ever(cohort, validation):
    scans, images = cohort
    by_name = {one.name: one for one in scans}
    try:
        folds = leave_out_folds(scans, images, "site", validation=validation)
    except InputError:  # a class or a site alone
        return
    assert Counter(name for fold in folds for name in fold.test) == Counter(list(by_name))
    for fold in folds:
        seen = [*fold.train, *fold.validation]
        everything = [*seen, *fold.test, *fold.unused]
        assert sorted(everything) == sorted(by_name)
        assert {by_name[name].columns["site"] for name in fold.test} == {fold.left_out}
        for key in (lambda n: by_name[n].participant, lambda n: by_name[n].columns["site"]):
            assert not {key(n) for n in seen} & {key(n) for n in fold.test}
        assert not {images[n] for n in seen} & {images[n] for n in fold.test}
        assert {by_name[name].label for name in fold.train} == {"a", "b"}


@pytest.mark.parametrize(
    ("scans", "column", "message"),
    [
        (THREE_SITES, "scanner", "no column 'scanner' with a value to leave out, only site"),
        ([scan("s1"), scan("s2")], "site", "'site' with a value to leave out, nor any other"),
        (
            [*THREE_SITES, at(None, "x7", "a"), at(None, "x3", "b")], "site",
            "2 of 26 scans have nothing in the column 'site': x3, x7; fill it in",
        ),
        ([at("s1", f"n{i}", "ab"[i % 2]) for i in range(8)], "site", "every scan is 's1'"),
        (
            [*THREE_SITES, at("s2", "c0", "c"), at("s2", "c1", "c")], "site",
            "whose site is 's2', none of the class 'c' is left to train on",
        ),
        (
            [scored("mmse", number) for number in range(110)], "MMSE",
            "'mmse' has 11 different numbers, and each would be left out .* with --by mmse",
        ),
        (
            [scored("ward", number, "w") for number in range(54)], "ward",
            "'ward' has 11 different values with 4.9 participants or groups each",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_left_out_is_refused_with_why(scans, column, message):
    with pytest.raises(InputError, match=message):
        leave_out_folds(scans, hashes(scans), column)


def test_numbers_are_codes_where_the_column_says_so_and_where_they_are_few():
    sites = [scored("site", number) for number in range(110)]
    assert len(leave_out_folds(sites, hashes(sites), "site")) == 11
    grades = [replace(one, columns={"grade": str(n % 10)}) for n, one in enumerate(sites)]
    assert len(leave_out_folds(grades, hashes(grades), "grade")) == 10


def test_values_that_lack_a_class_are_named_with_their_participants():
    assert left_out_problems(THREE_SITES, "site") == []
    scans = [*THREE_SITES, *(at("s3", f"x{n}", "a", f"p{n // 2}") for n in range(6))]
    (found,) = left_out_problems(scans, "Site")
    assert (found.reason, found.refused) == ("confounded-site", False)
    assert found.message.startswith("values of the column 'site' lack a class")
    assert found.message.endswith("undefined: s3 (a 3, b 0)")
