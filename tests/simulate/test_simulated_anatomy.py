import nibabel
import numpy as np
import pytest
from nilearn import datasets

from hrcam.simulate import LesionCohort, simulate_subject
from hrcam.simulate.anatomy import AXIAL_SLICES_MM, grid_affine, load_anatomy
from hrcam.simulate.deformation import deformed_coordinates, random_affine

STILL = {"rotation": 0.0, "scaling": 0.0, "translation": 0.0, "elastic": 0.0, "bias": 0.0}


def test_the_anatomy_is_loaded_once_and_cannot_be_changed() -> None:
    anatomy = load_anatomy(2.0)
    assert load_anatomy(2.0) is anatomy
    with pytest.raises(ValueError, match="read-only"):
        anatomy.t1[0, 0, 0] = 1.0


def test_a_volume_without_deformation_is_the_template() -> None:
    cohort = LesionCohort(dimensions=3, noise=0.0, lesion_fraction=0.0, **STILL)
    subject = simulate_subject(cohort, 0)
    template = datasets.load_mni152_template(resolution=2)
    # The grid is the standard 2 mm one, shifted by whole voxels.
    shift = np.linalg.inv(template.affine) @ subject.affine
    assert shift[:3, :3] == pytest.approx(np.eye(3))
    start = shift[:3, 3]
    assert start == pytest.approx(np.round(start))
    x, y, z = (np.arange(96) + round(float(s)) for s in start)
    inside = [(axis >= 0) & (axis < n) for axis, n in zip((x, y, z), template.shape, strict=True)]
    ours = subject.image[np.ix_(*inside)]
    theirs = template.get_fdata()[np.ix_(*(a[k] for a, k in zip((x, y, z), inside, strict=True)))]
    assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.99
    assert subject.image[0, 0, 0] == 0.0


def test_known_mni_points_land_on_the_expected_voxels() -> None:
    volume = grid_affine((96, 96, 96), 2.0, 4.0)
    assert volume @ [48, 48, 48, 1] == pytest.approx([0, -16, 4, 1])
    # The anterior commissure is the origin.
    assert np.linalg.inv(volume) @ [0, 0, 0, 1] == pytest.approx([48, 56, 46, 1])
    axial = grid_affine((128, 128), 1.5, 10.0)
    # Radiological: anterior is up, the patient's right is at the left.
    assert np.linalg.inv(axial) @ [0, -16 + 15, 10, 1] == pytest.approx([54, 64, 0, 1])
    assert np.linalg.inv(axial) @ [15, -16, 10, 1] == pytest.approx([64, 54, 0, 1])
    assert nibabel.aff2axcodes(volume) == ("R", "A", "S")
    assert nibabel.aff2axcodes(axial) == ("P", "L", "S")


def test_every_pixel_of_a_slice_is_where_its_affine_says() -> None:
    cohort = LesionCohort(noise=0.0, lesion_fraction=0.0, **STILL)
    template = datasets.load_mni152_template(resolution=1)
    to_template = np.linalg.inv(template.affine)
    for index in range(5):
        subject = simulate_subject(cohort, index)
        brain = np.argwhere(subject.tissue)
        voxels = np.column_stack([brain, np.zeros(len(brain)), np.ones(len(brain))])
        i, j, k, _ = np.round(to_template @ subject.affine @ voxels.T).astype(int)
        theirs = template.get_fdata()[i, j, k]
        assert np.corrcoef(subject.image[subject.tissue], theirs)[0, 1] > 0.95


def test_slices_come_from_all_forty_positions() -> None:
    cohort = LesionCohort(size=16, number=(1, 1), radius=(1.5, 1.5), lesion_fraction=0.0)
    seen = {round(float(simulate_subject(cohort, i).affine[2, 3]), 3) for i in range(400)}
    assert len(AXIAL_SLICES_MM) == 40
    assert seen == set(AXIAL_SLICES_MM)


def test_the_affine_keeps_within_its_limits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        affine = random_affine(rng, rotation=0.0, scaling=0.1, translation=3.0)
        stretch = np.diag(affine)[:3]
        assert (stretch >= 1.0).all()
        assert (stretch <= 1 / 0.9 + 1e-12).all()
        middle = np.array([0, -16, 4, 1])
        assert np.abs(affine @ middle - middle).max() <= 3.0
        turn = random_affine(rng, rotation=20.0, scaling=0.0, translation=0.0)[:3, :3]
        assert turn @ turn.T == pytest.approx(np.eye(3))
        # Three rotations of at most 20 degrees.
        assert np.arccos((np.trace(turn) - 1) / 2) <= np.deg2rad(60)


def test_the_elastic_deformation_has_the_size_asked_for_and_does_not_fold() -> None:
    rng = np.random.default_rng(0)
    shape = (40, 40, 40)
    moves = []
    for _ in range(10):
        coordinates = deformed_coordinates(
            rng, shape, to_template=np.eye(4), elastic=2.5, spacing=20.0
        )
        gradient = np.stack([np.stack(np.gradient(c)) for c in coordinates])
        assert np.linalg.det(np.moveaxis(gradient, (0, 1), (-2, -1))).min() > 0
        moves.append(coordinates - np.indices(shape))
    assert np.std(moves) == pytest.approx(2.5, rel=0.15)
