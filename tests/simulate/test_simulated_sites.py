"""Simulated sites: their looks differ, they nearly tell the class, and lesions stay as they are."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from hrcam.errors import InputError
from hrcam.simulate import LesionCohort, MultiSiteLesionCohort, simulate_subject, write_cohort

SMALL = {"subjects": 200, "size": 48, "radius": (3.0, 4.0)}
COHORT = MultiSiteLesionCohort(**SMALL)


def test_sites_nearly_tell_the_class_whatever_the_split():
    counts = Counter((COHORT.site(i), COHORT.label(i)) for i in range(200))
    # Of 100 with lesions 95, 5 and 95 parts of 195; of 100 without 5, 95 and 5 of 105.
    expected = {(0, 1): 48.7, (1, 1): 2.6, (2, 1): 48.7, (0, 0): 4.8, (1, 0): 90.5, (2, 0): 4.8}
    for key, number in expected.items():
        assert counts[key] == pytest.approx(number, abs=1.5)
    tested = [i for i in range(200) if COHORT.split(i) == "test"]
    agree = [(COHORT.site(i) != 1) == COHORT.label(i) for i in tested]
    assert np.mean(agree) > 0.85
    two = MultiSiteLesionCohort(**SMALL, sites=2)
    assert {two.site(i) for i in range(20)} == {0, 1}


def test_only_the_look_of_an_image_changes_with_its_site():
    plain = LesionCohort(**SMALL)
    seen = {}
    for index in range(12):
        subject, other = simulate_subject(COHORT, index), simulate_subject(plain, index)
        assert np.array_equal(subject.mask, other.mask)
        assert subject.label == other.label
        difference = subject.image - other.image
        assert difference.any()
        assert subject.image[subject.tissue].mean() == pytest.approx(
            other.image[subject.tissue].mean(), abs=0.02
        )
        seen[COHORT.site(index)] = difference
    assert set(seen) == {0, 1, 2}
    assert not seen[0][3:-3, 3:-3].any()  # a rim
    assert seen[0][0].min() > 0
    assert seen[1][10:-10, 10:-10].std() == pytest.approx(0.06, rel=0.2)


def test_the_site_is_a_column_of_the_table(tmp_path):
    cohort = MultiSiteLesionCohort(subjects=3, size=48, radius=(2.0, 3.0))
    table = pd.read_csv(write_cohort(cohort, tmp_path, workers=1, progress=False), sep="\t")
    assert table["site"].tolist() == [f"site-{cohort.site(i) + 1}" for i in range(3)]


@pytest.mark.parametrize("sites", [0, 1, 4, 2.5])
def test_there_are_two_or_three_sites(sites):
    with pytest.raises(InputError, match="use 2 or 3"):
        MultiSiteLesionCohort(**SMALL, sites=sites)
