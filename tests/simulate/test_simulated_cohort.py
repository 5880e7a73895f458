from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hrcam.errors import InputError
from hrcam.simulate import LesionCohort


def test_defaults_are_the_evidence_setting() -> None:
    slices, volumes = LesionCohort(), LesionCohort(dimensions=3)
    assert (slices.shape, slices.resolution) == ((128, 128), 1.5)
    assert (volumes.shape, volumes.resolution) == ((96, 96, 96), 2.0)
    assert LesionCohort(size=64).resolution == 3.0
    assert LesionCohort(size=64, voxel_size=1.0).resolution == 1.0
    with pytest.raises(FrozenInstanceError):
        slices.seed = 1  # type: ignore[misc]


@given(subjects=st.integers(1, 300), fraction=st.floats(0, 1), test=st.floats(0, 1))
def test_classes_and_splits_have_the_sizes_asked_for(subjects, fraction, test) -> None:
    cohort = LesionCohort(subjects=subjects, lesion_fraction=fraction, test_fraction=test)
    labels = [cohort.label(i) for i in range(subjects)]
    splits = [cohort.split(i) for i in range(subjects)]
    assert sum(labels) == pytest.approx(subjects * fraction, abs=1.001)
    for label in (0, 1):
        own = [s for s, k in zip(splits, labels, strict=True) if k == label]
        assert own.count("test") == pytest.approx(len(own) * test, abs=1.001)
    longer = replace(cohort, subjects=2 * subjects)
    assert labels == [longer.label(i) for i in range(subjects)]
    assert splits == [longer.split(i) for i in range(subjects)]


def test_round_fractions_are_met_exactly() -> None:
    cohort = LesionCohort(lesion_fraction=0.29, test_fraction=0.5)
    assert sum(cohort.label(i) for i in range(100)) == 29


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dimensions": 4}, r"dimensions is 4: use 2 .* or 3"),
        ({"subjects": 0}, "subjects is 0: use a whole number of 1 or more"),
        ({"subjects": 2.5}, "subjects is 2.5"),
        ({"size": 8}, "size is 8: use a whole number of 16 or more"),
        ({"voxel_size": 0.0}, "voxel_size is 0.0: use a number from 0.25 to 16"),
        ({"number": (0, 2)}, "number is 0: use a whole number of 1 or more"),
        ({"number": (3, 1)}, r"number is \(3, 1\): use two numbers, the smaller one first"),
        ({"number": 2}, "number is 2: use a pair"),
        ({"number": (1, 2.5)}, "number is 2.5: use a whole number"),
        ({"radius": (3.0, 100.0)}, "radius is 100.0: use a number from 1.5 to 32"),
        ({"radius": (0.5, 4.0)}, "radius is 0.5"),
        ({"radius": (float("nan"), 4.0)}, "radius is"),
        ({"radius": ("3", "8")}, "radius is"),
        ({"contrast": "blue"}, "contrast is 'blue': use one of brighter, darker, texture"),
        ({"strength": -0.15}, "strength is -0.15: use a number from 0.001 to 1"),
        ({"lesion_fraction": 1.5}, "lesion_fraction is 1.5: use a number from 0 to 1"),
        ({"test_fraction": -0.1}, "test_fraction is -0.1"),
        ({"scaling": 0.9}, "scaling is 0.9"),
        ({"elastic": float("nan")}, "elastic is nan"),
        ({"noise": -1}, "noise is -1"),
        ({"seed": -1}, "seed is -1: use a whole number of 0 or more"),
        ({"seed": True}, "seed is True"),
    ],
)
def test_wrong_parameters_are_refused_with_what_to_do(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        LesionCohort(**wrong)
