"""Columns that scans are divided by: categories as they are, numbers in thirds."""

from dataclasses import replace

import numpy as np
import pytest
from cohort_files import scan

from hrcam.cohort.columns import divided_by, read_numbers
from hrcam.errors import InputError


def scans(*values):
    return [
        replace(scan(f"s{place}"), columns={} if value is None else {"x": str(value)})
        for place, value in enumerate(values)
    ]


def test_categories_come_in_their_order_and_missing_ones_last():
    assert divided_by(scans("b10", "b2", None, "b10"), "X") == {
        "b2": [1],
        "b10": [0, 3],
        "n/a": [2],
    }


def test_numbers_are_divided_in_thirds_that_are_named_by_their_limits():
    found = divided_by(scans(60, 20, None, 30, 21, 50, 40, 41, 61, 22), "x")
    assert found == {
        "20 to 22": [1, 4, 9],
        "30 to 41": [3, 6, 7],
        "50 to 61": [0, 5, 8],
        "n/a": [2],
    }


def test_thirds_of_equal_numbers_are_fewer():
    found = divided_by(scans(*[0] * 10, 1, 2, 3, 4, 5), "x")
    assert found == {"0": list(range(10)), "1 to 5": list(range(10, 15))}


@pytest.mark.parametrize(
    ("texts", "numbers"),
    [
        (["1", "2,5", "3", "4", "5", None, "7e1"], [1, 2.5, 3, 4, 5, np.nan, 70]),
        (["0", "1", "0", "1", None], None),  # codes
        (["1", "2", "3", "4", "5", "6", "x"], None),
        (["1", "2", "3", "4", "5", "inf", "6"], None),
        ([f"2020-01-0{day}" for day in range(1, 8)], [737425 + day for day in range(7)]),
    ],
)
def test_numbers_and_dates_are_told_from_categories(texts, numbers):
    found = read_numbers(texts)
    assert (found is None) == (numbers is None)
    if numbers is not None:
        assert found == pytest.approx(numbers, nan_ok=True)


def test_identifiers_and_unknown_columns_are_refused():
    with pytest.raises(InputError, match="has 21 different values"):
        divided_by(scans(*(f"id{number}" for number in range(21))), "x")
    with pytest.raises(InputError, match="no column 'y' with a value, only x"):
        divided_by(scans("a", "b"), "y")
    with pytest.raises(InputError, match="nor any other to divide by"):
        divided_by(scans(None), "y")
