"""Names of files: as BIDS has them, safe, and different."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrcam.mapping.names import bids_labels, bids_scan_names

SAFE = re.compile(r"sub-[A-Za-z0-9]+(_[a-z]+-[A-Za-z0-9]+)*")


@given(st.lists(st.text(min_size=1, max_size=300), unique=True, max_size=20))
def test_any_names_become_safe_different_and_independent_of_their_order(texts):
    names = bids_scan_names(texts)
    assert list(names) == texts
    assert all(SAFE.fullmatch(name) and len(name) <= 100 for name in names.values())
    assert len({name.casefold() for name in names.values()}) == len(texts)
    assert bids_scan_names(texts[::-1]) == names


@given(st.lists(st.text(max_size=60), unique=True, max_size=12))
def test_any_classes_become_different_letters_and_digits(texts):
    labels = bids_labels(texts)
    assert all(re.fullmatch("[A-Za-z0-9]+", label) for label in labels.values())
    assert len({label.casefold() for label in labels.values()}) == len(texts)


def test_names_that_are_fine_stay():
    names = ["sub-01", "sub-01_ses-02_run-1", "07", "benign001"]
    expected = ["sub-01", "sub-01_ses-02_run-1", "sub-07", "sub-benign001"]
    assert list(bids_scan_names(names).values()) == expected
    assert bids_labels(["AD", "control"]) == {"AD": "AD", "control": "control"}


@pytest.mark.parametrize(
    "pair", [("sub-01", "01"), ("a b", "ab"), ("A", "a"), ("患者", "患者2"), ("x_y", "x-y")]
)
def test_names_that_would_be_one_file_become_two(pair):
    names = bids_scan_names(pair)
    assert len({name.casefold() for name in names.values()}) == 2
