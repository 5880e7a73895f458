import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import roc_auc_score

from hrcam.errors import InputError
from hrcam.simulate import LesionCohort, Subject, simulate_images, simulate_subject
from hrcam.simulate.anatomy import AXIAL_SLICES_MM

SMALL = LesionCohort(subjects=12, size=64, radius=(2.0, 4.0))
SMALL_3D = LesionCohort(dimensions=3, subjects=4, size=40, voxel_size=3.0, radius=(2.0, 4.0))
BLOCK = {n: np.ones((3,) * n) for n in (2, 3)}
EVIDENCE = LesionCohort(subjects=400)


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    return [simulate_subject(EVIDENCE, i) for i in range(EVIDENCE.subjects)]


@pytest.mark.parametrize("cohort", [SMALL, SMALL_3D], ids=["2D", "3D"])
def test_the_same_images_for_any_number_of_processes_and_subjects(cohort: LesionCohort) -> None:
    images, labels, masks = simulate_images(cohort, workers=1)
    n = cohort.subjects
    assert images.shape == (n, 1, *cohort.shape)
    assert masks.shape == (n, *cohort.shape)
    assert (images.dtype, labels.dtype, masks.dtype) == (np.float32, np.int64, np.bool_)
    assert labels.tolist() == [0, 1] * (n // 2)
    longer = simulate_images(replace(cohort, subjects=n + 9), workers=2)
    for one, two in zip((images, labels, masks), longer, strict=True):
        assert np.array_equal(one, two[:n])
    alone = simulate_subject(cohort, n - 1)
    assert np.array_equal(alone.image, images[-1, 0])
    assert np.array_equal(alone.mask, masks[-1])


def test_subjects_and_seeds_differ() -> None:
    image = simulate_subject(SMALL, 0).image
    assert np.corrcoef(image.ravel(), simulate_subject(SMALL, 2).image.ravel())[0, 1] < 0.98
    other = simulate_subject(replace(SMALL, seed=1), 0).image
    assert np.corrcoef(image.ravel(), other.ravel())[0, 1] < 0.98


@pytest.mark.parametrize("cohort", [SMALL, SMALL_3D], ids=["2D", "3D"])
@pytest.mark.parametrize(("contrast", "sign"), [("brighter", 1), ("darker", -1)])
def test_contrast_against_the_same_subject_without_lesions(cohort, contrast, sign) -> None:
    cohort = replace(cohort, contrast=contrast, strength=0.2, noise=0.0)
    for index in (1, 3):
        subject = simulate_subject(cohort, index)
        twin = simulate_subject(replace(cohort, lesion_fraction=0.0), index)
        assert (subject.label, twin.label) == (1, 0)
        assert not twin.mask.any()
        assert np.array_equal(subject.tissue, twin.tissue)
        ratio = subject.image[subject.tissue].astype(float) / twin.image[subject.tissue]
        mask = subject.mask[subject.tissue]
        far = ~ndimage.binary_dilation(subject.mask, BLOCK[cohort.dimensions], iterations=3)[
            subject.tissue
        ]
        # The lesions do not change the brightness of the brain as a whole.
        assert subject.image.mean() == pytest.approx(twin.image.mean(), rel=2e-4)
        # One factor elsewhere: that of the normalisation.
        assert np.ptp(ratio[far]) < 1e-5
        change = ratio[mask] / np.median(ratio[far]) - 1
        # A lesion of radius 2 to 4 voxels is mostly edge.
        assert 0.55 * 0.2 < sign * change.mean() < 0.95 * 0.2
        assert np.abs(change).max() <= 0.2 + 1e-4


@pytest.mark.parametrize("cohort", [SMALL, SMALL_3D], ids=["2D", "3D"])
def test_texture_leaves_the_mean_and_raises_the_variation(cohort: LesionCohort) -> None:
    cohort = replace(cohort, contrast="texture", strength=0.3, noise=0.0, bias=0.0)
    for index in (1, 3):
        subject = simulate_subject(cohort, index)
        twin = simulate_subject(replace(cohort, lesion_fraction=0.0), index)
        mask = subject.mask
        assert subject.image[mask].mean() == pytest.approx(twin.image[mask].mean(), rel=0.01)
        change = subject.image[mask] / twin.image[mask] - 1
        assert 0.1 < change.std() < 0.4


def test_lesions_match_the_evidence_setting(subjects: list[Subject]) -> None:
    assert not any(s.mask.any() for s in subjects if s.label == 0)
    pieces = [ndimage.label(s.mask, BLOCK[2]) for s in subjects if s.label == 1]
    assert {count for _, count in pieces} == {1, 2, 3}
    # 0.75 % of the pixels in the prototype, over both classes.
    assert 0.005 < np.mean([s.mask.mean() for s in subjects]) < 0.009
    areas = np.concatenate([np.bincount(numbered.ravel())[1:] for numbered, _ in pieces])
    assert areas.min() >= 8
    assert areas.max() <= np.pi * (1.75 * 8) ** 2
    # Nothing is clipped to white.
    assert np.mean([(s.image >= 1).mean() for s in subjects]) < 1e-5


def test_lesions_are_in_brain_tissue() -> None:
    for cohort in (SMALL, SMALL_3D):
        for index in (1, 3):
            subject = simulate_subject(cohort, index)
            assert subject.mask.any()
            assert not (subject.mask & ~subject.tissue).any()
            # Tissue is brighter than the fluid and the air beside it.
            assert subject.image[subject.tissue].mean() > 2 * subject.image[~subject.tissue].mean()


def test_trivial_cues_do_not_tell_the_class(subjects: list[Subject]) -> None:
    labels = [s.label for s in subjects]
    height = [s.affine[2, 3] for s in subjects]
    assert set(height) <= set(AXIAL_SLICES_MM)
    cues = {
        "mean": [s.image.mean() for s in subjects],
        "brain mean": [s.image[s.tissue].mean() for s in subjects],
        "brain size": [s.tissue.mean() for s in subjects],
        "height": height,
        "noise": [s.image[:6, :6].std() for s in subjects],
    }
    # The standard error of an AUC of 0.5 is 0.029 with 200 images in each class.
    for name, cue in cues.items():
        assert abs(roc_auc_score(labels, cue) - 0.5) < 0.09, name
    splits = [EVIDENCE.split(i) == "test" for i in range(EVIDENCE.subjects)]
    assert abs(roc_auc_score(splits, cues["mean"]) - 0.5) < 0.11


def test_what_cannot_be_simulated_is_said() -> None:
    with pytest.raises(InputError, match="index is -1"):
        simulate_subject(SMALL, -1)
    with pytest.raises(InputError, match="workers is 0: use 1 or more"):
        simulate_images(SMALL, workers=0)
    crowded = LesionCohort(subjects=2, size=32, number=(9, 9), radius=(6.0, 8.0))
    with pytest.raises(InputError, match=r"subject 1: .* no room"):
        simulate_images(crowded, workers=1)
    # A view of 4 mm: in subject 1 it falls beside the brain.
    tiny = LesionCohort(size=16, voxel_size=0.25, radius=(2.0, 2.0), translation=50.0)
    with pytest.raises(InputError, match="subject 1 has no brain"):
        simulate_subject(tiny, 1)


def test_importing_pulls_neither_torch_nor_nilearn() -> None:
    code = (
        "import sys, hrcam.simulate; "
        "print(sorted({'torch', 'nilearn', 'monai', 'nibabel'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
