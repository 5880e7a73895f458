"""Names of scans: safe on every disk, unique, and the same whatever the order."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrcam.cohort.naming import LONGEST, natural_order, safe_name, unique_names

HOSTILE = [
    "../../etc/passwd", "<script>alert(1)</script>", 'a"b', "患者 01", "x" * 300, ".hidden", "-rf",
    "con", "NUL.txt", "COM1", "a.", "a..b", "", "naïve", "a\nb", "a\x00b", "\ud800", "sub 01",
]  # fmt: skip


@pytest.mark.parametrize("text", ["sub-01", "007", "Patient_3.v2", "a" * LONGEST])
def test_a_plain_name_stays(text):
    assert safe_name(text) == text


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_name_becomes_a_plain_file_name(text, tmp_path):
    name = safe_name(text)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name)
    assert len(name) <= LONGEST
    assert ".." not in name
    assert not re.match(r"(con|nul|com\d)(\.|$)", name, re.IGNORECASE)
    (tmp_path / name).write_text("x")
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_different_hostile_names_stay_different():
    assert len({safe_name(text) for text in HOSTILE}) == len(HOSTILE)


def test_a_shortened_name_starts_with_what_can_be_kept():
    assert re.fullmatch(r"benign-1-[0-9a-f]{8}", safe_name("benign (1)"))
    assert re.fullmatch(r"Muller-[0-9a-f]{8}", safe_name("Müller"))


def test_names_that_differ_by_case_only_are_numbered():
    names = unique_names([("sub-A", "1"), ("sub-a", "2"), ("sub-b", "3")])
    assert names == ["sub-A", "sub-a-2", "sub-b"]


def test_a_number_does_not_take_the_name_of_another_scan():
    names = unique_names([("a", "1.png"), ("a", "2.png"), ("a-2", "3.png")])
    assert names == ["a", "a-3", "a-2"]


@given(
    st.lists(
        st.tuples(st.sampled_from(["a", "A", "a-2", "b", "ä", "../x"]), st.text(max_size=3)),
        unique=True,
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_names_are_unique_and_do_not_depend_on_the_order(wanted, random):
    names = dict(zip(wanted, unique_names(wanted), strict=True))
    assert len({name.casefold() for name in names.values()}) == len(wanted)
    shuffled = random.sample(wanted, len(wanted))
    assert dict(zip(shuffled, unique_names(shuffled), strict=True)) == names


def test_numbers_are_sorted_as_people_count():
    assert sorted(["s10", "s2", "s1"], key=natural_order) == ["s1", "s2", "s10"]
