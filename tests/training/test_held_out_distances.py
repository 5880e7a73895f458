"""What the distance of a scan is compared with."""

from dataclasses import replace

import numpy as np
import pytest

from hrcam.artifacts.distance_table import (
    DISTANCES,
    DistanceRow,
    encode_distances,
    read_distances,
)
from hrcam.errors import InputError
from hrcam.training.held_out_distances import HeldOutDistances


def rows(fold, *distances):
    return [DistanceRow(f"{fold}-{k}", "g", fold, each) for k, each in enumerate(distances)]


def test_distances_are_multiples_of_the_median_of_their_fold():
    known = HeldOutDistances.of([*rows(1, 10.0, 20.0, 40.0), *rows(2, 3.0, 3.0, 6.0)])
    assert known.medians == {1: 20.0, 2: 3.0}
    assert known.multiples == (0.5, 1.0, 2.0, 1.0, 1.0, 2.0)
    assert known.multiple((1,), (50.0,)) == 2.5
    assert known.multiple((1, 2), (20.0, 9.0)) == 2.0
    assert known.multiple((1, 3), (20.0, 9.0)) is None


def test_a_scan_that_is_tested_in_several_repeats_counts_once():
    repeated = [*rows(1, 10.0, 20.0), *(replace(row, fold=2) for row in rows(1, 30.0, 10.0))]
    assert HeldOutDistances.of(repeated).multiples == pytest.approx(
        (np.median([10 / 15, 30 / 20]), np.median([20 / 15, 10 / 20]))
    )


def test_the_limit_is_what_one_in_twenty_exceeds():
    fold = rows(1, *(100.0 + k for k in range(39)))
    known = HeldOutDistances.of(fold)
    assert known.limit == pytest.approx(137 / 119)
    assert sum(each > known.limit for each in known.multiples) == 1
    assert HeldOutDistances.of(fold[:18]).limit is None
    assert HeldOutDistances.of([]).limit is None


def test_networks_without_a_feature_that_varies_have_distances_too():
    known = HeldOutDistances.of(rows(1, *[0.0] * 19))
    assert known.limit == 0
    assert known.multiple((1,), (3.0,)) == 3.0


def test_tables_are_read_as_they_were_written(tmp_path):
    path = tmp_path / DISTANCES
    path.write_bytes(encode_distances([("sub-01", "p1", 12.5)]))
    assert read_distances([tmp_path / "none.tsv", path]) == (DistanceRow("sub-01", "p1", 2, 12.5),)
    for value, message in (("nan", "is not finite"), ("far", "is no number")):
        path.write_text(f"scan\tgroup\tdistance\nsub-01\tp1\t{value}\n")
        with pytest.raises(InputError, match=message):
            read_distances([path])
