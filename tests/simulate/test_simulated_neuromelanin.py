from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from hrcam.simulate import NeuromelaninCohort, Subject, simulate_subject
from hrcam.simulate.neuromelanin.cohort import lost_fraction
from hrcam.simulate.neuromelanin.nuclei import Nucleus, NucleusVariation, coeruleus, nigra
from hrcam.simulate.neuromelanin.person import AGES, ageing, draw_person

SLICES = NeuromelaninCohort(subjects=300, size=72, patient_fraction=0.5)
VOLUMES = NeuromelaninCohort(subjects=4, size=72, dimensions=3)
AVERAGE = NucleusVariation((0.0, 0.0, 0.0), 1.0, 1.0)


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    return [simulate_subject(SLICES, i) for i in range(SLICES.subjects)]


@pytest.fixture(scope="module")
def midbrain() -> np.ndarray:
    """MNI coordinates every 0.5 mm."""
    axes = np.arange(-20, 20.5, 0.5), np.arange(-45, -5, 0.5), np.arange(-36, 0, 0.5)
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def centre(mask: np.ndarray, midbrain: np.ndarray) -> np.ndarray:
    return midbrain[:, mask].mean(axis=1)


@pytest.mark.parametrize("side", [-1, 1])
def test_the_nuclei_are_where_atlases_have_them(side, midbrain) -> None:
    black = nigra(midbrain, side, AVERAGE)
    assert centre(black.mask, midbrain) == pytest.approx([10 * side, -18, -12], abs=2)
    blue = coeruleus(midbrain, side, AVERAGE)
    assert centre(blue.mask, midbrain) == pytest.approx([5 * side, -37, -24], abs=2)
    # Cubic millimetres; the coeruleus is 12 to 15 mm long and 2 mm wide.
    assert 200 < black.mask.sum() / 8 < 500
    assert 25 < blue.mask.sum() / 8 < 75
    assert not (black.mask & blue.mask).any()


def test_the_sides_mirror_each_other(midbrain) -> None:
    right, left = (nigra(midbrain, side, AVERAGE) for side in (1, -1))
    assert np.allclose(right.content, left.content[::-1])
    shifted = nigra(midbrain, -1, NucleusVariation((1.0, 0.0, 0.0), 1.0, 1.0))
    # To the side means away from the midline.
    move = centre(shifted.mask, midbrain) - centre(left.mask, midbrain)
    assert move == pytest.approx([-1, 0, 0], abs=0.05)


def test_disease_comes_first_to_the_posterolateral_nigra_and_the_lower_coeruleus(midbrain) -> None:
    black, blue = nigra(midbrain, 1, AVERAGE), coeruleus(midbrain, 1, AVERAGE)
    first, last = (centre(m, midbrain) for m in (black.mask & (black.place > 0.8),
                                                 black.mask & (black.place < 0.2)))  # fmt: skip
    assert first[0] > last[0] + 4
    assert first[1] < last[1] - 4
    below = centre(blue.mask & (blue.place > 0.8), midbrain)
    above = centre(blue.mask & (blue.place < 0.2), midbrain)
    assert below[2] < above[2] - 6


@settings(max_examples=30, deadline=None)
@given(loss=st.floats(0.15, 0.85))
def test_the_share_that_is_lost_is_the_one_asked_for(loss: float) -> None:
    nucleus = Nucleus(np.ones(1001), np.linspace(0, 1, 1001))
    gone = lost_fraction(nucleus, loss)
    assert (gone >= 0.5).mean() == pytest.approx(loss, abs=0.002)
    assert gone.mean() == pytest.approx(loss, abs=0.02)
    assert (np.diff(gone) >= 0).all()


def test_nothing_is_lost_in_health() -> None:
    assert not lost_fraction(Nucleus(np.ones(5), np.linspace(0, 1, 5)), 0.0).any()


def test_contrast_rises_to_sixty_and_falls() -> None:
    assert ageing(60) == 1
    ages = np.linspace(*AGES, 51)
    factor = np.array([ageing(age) for age in ages])
    assert (np.diff(factor[ages < 60]) > 0).all()
    assert (np.diff(factor[ages > 60]) < 0).all()
    assert factor.min() > 0.5


def test_patients_differ_from_controls_in_what_is_lost_only() -> None:
    losses, severities = [], []
    for seed in range(400):
        patient = draw_person(np.random.default_rng(seed), patient=True)
        control = draw_person(np.random.default_rng(seed), patient=False)
        assert patient.contrast == control.contrast
        assert (patient.age, patient.fading) == (control.age, control.fading)
        assert control.severity == control.coeruleus_loss == 0
        assert 0 < min(patient.loss) < max(patient.loss) <= 0.8
        losses.append(patient.loss)
        severities.append(patient.severity)
    left, right = np.array(losses).T
    assert np.mean(left > right) == pytest.approx(0.5, abs=0.08)
    assert np.std(severities) > 0.08


@pytest.mark.parametrize("cohort", [SLICES, VOLUMES], ids=["2D", "3D"])
def test_a_patient_and_the_same_person_in_health_differ_where_signal_is_lost(cohort) -> None:
    cohort = replace(cohort, noise=0.0)
    for index in (1, 3):
        sick = simulate_subject(cohort, index)
        well = simulate_subject(replace(cohort, patient_fraction=0.0), index)
        assert (sick.label, well.label) == (1, 0)
        assert not well.mask.any()
        assert np.array_equal(sick.regions["nigra"], well.regions["nigra"])
        ratio = sick.image.astype(float) / well.image
        ratio /= np.median(ratio)
        assert ratio[sick.mask].mean() < 0.97
        assert ratio[sick.mask].mean() < ratio[sick.regions["nigra"] & ~sick.mask].mean()
        far = ~ndimage.binary_dilation(sick.regions["nigra"] | sick.mask, iterations=12)
        assert ratio[far] == pytest.approx(1, abs=2e-3)
        assert ratio.max() < 1.002


def test_the_lost_part_of_the_nigra_matches_the_severity() -> None:
    cohort = replace(VOLUMES, subjects=12, patient_fraction=1.0)
    wanted = [float(cohort.covariates_of(i)["severity"]) for i in range(cohort.subjects)]
    shares = []
    for index in range(cohort.subjects):
        subject = simulate_subject(cohort, index)
        black = subject.regions["nigra"]
        shares.append((subject.mask & black).sum() / black.sum())
    # Shares of volume against shares of length.
    assert np.corrcoef(wanted, shares)[0, 1] > 0.95
    assert np.mean(shares) == pytest.approx(np.mean(wanted), abs=0.06)


def test_a_volume_shows_both_nuclei_and_a_slice_the_nigra() -> None:
    volume = simulate_subject(VOLUMES, 1)
    assert volume.image.shape == (72, 72, 16)
    apart = volume.mask & ~volume.regions["nigra"]
    height = (volume.affine @ [0, 0, np.argwhere(apart)[:, 2].mean(), 1])[2]
    assert height == pytest.approx(-26, abs=5)
    assert NeuromelaninCohort().shape == (96, 96)


def test_the_smallest_image_still_shows_what_is_lost() -> None:
    cohort = NeuromelaninCohort(subjects=40, size=48, patient_fraction=1.0)
    assert min(simulate_subject(cohort, i).mask.sum() for i in range(40)) >= 3


def test_the_contrast_ratio_tells_a_part_and_the_lateral_nigra_more(subjects) -> None:
    labels = np.array([s.label for s in subjects])
    whole, outer = [], []
    for subject in subjects:
        black = subject.regions["nigra"]
        ring = ndimage.binary_dilation(black, iterations=6) & subject.tissue
        ring &= ~ndimage.binary_dilation(black, iterations=2)
        background = subject.image[ring].mean()
        back = np.argwhere(black)[:, 0]
        lateral = subject.image[black][back > np.quantile(back, 0.65)]
        whole.append([subject.image[black].mean() / background - 1])
        outer.append([lateral.mean() / background - 1])

    def accuracy(features: list[list[float]]) -> float:
        scaled = np.array(features) / np.std(features)
        return float(
            (cross_val_predict(LogisticRegression(), scaled, labels, cv=5) == labels).mean()
        )

    assert 0.6 < accuracy(whole) < 0.78
    assert accuracy(whole) + 0.05 < accuracy(outer) < 0.95


def test_trivial_cues_do_not_tell_the_class(subjects) -> None:
    labels = [s.label for s in subjects]
    cues = {
        "mean": [s.image.mean() for s in subjects],
        "tissue": [s.tissue.mean() for s in subjects],
        "nigra": [s.regions["nigra"].mean() for s in subjects],
        "height": [s.affine[2, 3] for s in subjects],
        "age": [float(SLICES.covariates_of(i)["age"]) for i in range(SLICES.subjects)],
    }
    for name, cue in cues.items():
        assert abs(roc_auc_score(labels, cue) - 0.5) < 0.09, name


def test_the_cohort_of_eighty_has_forty_five_patients_and_grows_with_its_share() -> None:
    cohort = NeuromelaninCohort()
    assert sum(cohort.label(i) for i in range(cohort.subjects)) == 45
    larger = replace(cohort, subjects=160)
    assert sum(larger.label(i) for i in range(160)) == 90
