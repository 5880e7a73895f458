from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from hrcam.simulate import Subject, TumourCohort, simulate_subject
from hrcam.simulate.tumours.appearance import paint
from hrcam.simulate.tumours.cohort import displaced
from hrcam.simulate.tumours.growth import Compartment, grow
from hrcam.simulate.tumours.tumour_type import (
    EPENDYMOMA,
    GLIOBLASTOMA,
    LARGEST_MM,
    LOCATIONS,
    SMALLEST_MM,
    Tumour,
    draw_tumour,
)

SLICES = TumourCohort(subjects=300, size=64)
VOLUMES = TumourCohort(subjects=4, size=64, dimensions=3)
SPHERE = Tumour(
    location="hemisphere",
    centre=(30.0, 0.0, 20.0),
    radius=12.0,
    stretch=(1.0, 1.0, 1.0),
    irregularity=0.0,
    rim=9.0,
    enhancing=1.0,
    enhancement=1.2,
    oedema=0.0,
    cysts=0,
    calcifications=0,
    displacement=0.3,
)


@pytest.fixture(scope="module")
def subjects() -> list[Subject]:
    return [simulate_subject(SLICES, i) for i in range(SLICES.subjects)]


def grown(tumour: Tumour, dimensions: int = 3, seed: int = 0, **where: np.ndarray) -> np.ndarray:
    """Compartments in a box of 49 mm that is white matter throughout."""
    axes = [np.arange(-24.0, 25.0)] * dimensions + [np.zeros(1)] * (3 - dimensions)
    offsets = np.stack(np.meshgrid(*axes, indexing="ij")).reshape(3, *(49,) * dimensions)
    shape = offsets.shape[1:]
    tissue = {
        "brain": np.ones(shape, dtype=bool),
        "white": np.ones(shape),
        "fluid": np.zeros(shape),
    }
    return grow(np.random.default_rng(seed), tumour, offsets, **(tissue | where), voxel_size=1.0)


@pytest.mark.parametrize(("dimensions", "size"), [(2, np.pi * 12**2), (3, 4 / 3 * np.pi * 12**3)])
def test_a_smooth_tumour_is_a_ball_of_its_radius(dimensions, size) -> None:
    labels = grown(SPHERE, dimensions)
    assert (labels == Compartment.ENHANCING).sum() == pytest.approx(size, rel=0.04)
    assert set(np.unique(labels)) <= {0, Compartment.ENHANCING, Compartment.OEDEMA}


def test_the_share_that_enhances_is_the_one_asked_for() -> None:
    shares = []
    for seed in range(12):
        labels = grown(replace(SPHERE, enhancing=0.4), seed=seed)
        solid = np.isin(labels, [Compartment.ENHANCING, Compartment.SOLID])
        shares.append((labels == Compartment.ENHANCING)[solid].mean())
    assert np.mean(shares) == pytest.approx(0.4, abs=0.06)


def test_a_necrotic_core_is_inside_a_rim_of_its_thickness() -> None:
    labels = grown(replace(SPHERE, rim=0.4))
    dead = labels == Compartment.NECROSIS_OR_CYST
    assert dead.any()
    assert not (ndimage.binary_dilation(dead) & ~(labels > 0)).any()
    # 0.4 of 12 mm, times a factor that varies along the rim about a median of 1.
    depth = ndimage.distance_transform_edt(labels > 0)
    edge = dead & ndimage.binary_dilation(labels == Compartment.ENHANCING)
    assert np.median(depth[edge]) == pytest.approx(4.8, rel=0.35)


def test_oedema_is_around_the_tumour_in_white_matter_only() -> None:
    white = np.ones((49, 49, 49))
    white[:24] = 0
    labels = grown(replace(SPHERE, oedema=0.4), white=white)
    swollen = labels == Compartment.OEDEMA
    assert swollen[24:].sum() > 500
    assert not swollen[:24].any()
    assert (labels[:24] == Compartment.ENHANCING).any()


def test_cysts_and_calcifications_are_inside_the_tumour() -> None:
    plain = grown(SPHERE) == Compartment.ENHANCING
    labels = grown(replace(SPHERE, cysts=3, calcifications=4))
    for kind in (Compartment.NECROSIS_OR_CYST, Compartment.CALCIFICATION):
        assert (labels == kind).any()
        assert not ((labels == kind) & ~plain).any()


def test_ependymomas_of_a_ventricle_fill_it_and_other_tumours_stay_out() -> None:
    fluid = np.zeros((49, 49, 49))
    fluid[:20] = 1.0
    inside = grown(replace(SPHERE, location="ventricle"), fluid=fluid)
    outside = grown(SPHERE, fluid=fluid)
    assert (inside[:20] > 0).sum() > (grown(SPHERE)[:20] > 0).sum()
    assert not (outside[:20] == Compartment.ENHANCING).any()


def test_a_tumour_of_the_corpus_callosum_crosses_the_midline() -> None:
    tumour = replace(SPHERE, location="corpus callosum", centre=(3.0, 24.0, 12.0))
    labels = grown(tumour) > 0
    # The midline is 3 mm left of the centre.
    left, right = labels[:21].sum(), labels[22:].sum()
    assert min(left, right) > 0.7 * max(left, right)
    widths = labels.any(axis=2).sum(axis=1)
    assert widths[21] < widths[21 - 8 : 21 + 9].max()


def test_paint_gives_each_compartment_its_place_between_fluid_and_enhancement() -> None:
    labels = np.zeros((40, 120), dtype=np.uint8)
    for k, compartment in enumerate(Compartment):
        labels[10:30, 4 + 24 * k : 20 + 24 * k] = compartment
    before = np.full(labels.shape, 0.88)
    after = paint(np.random.default_rng(0), SPHERE, before, labels, 1.0)
    core = {c: ndimage.binary_erosion(labels == c, iterations=4) for c in Compartment}
    mean = {c: after[where].mean() for c, where in core.items()}
    assert mean[Compartment.ENHANCING] == pytest.approx(1.2 * 0.88, rel=0.1)
    assert 0.72 * 0.88 <= mean[Compartment.OEDEMA] <= 0.88 * 0.88
    assert mean[Compartment.SOLID] < 0.88
    assert mean[Compartment.CALCIFICATION] < mean[Compartment.OEDEMA]
    assert mean[Compartment.NECROSIS_OR_CYST] < mean[Compartment.OEDEMA]
    assert np.array_equal(after[0], before[0])


@pytest.mark.parametrize("tumour_type", [EPENDYMOMA, GLIOBLASTOMA])
def test_tumours_are_drawn_as_their_character_says(tumour_type) -> None:
    assert sum(tumour_type.locations.values()) == pytest.approx(1)
    assert set(tumour_type.locations) == set(LOCATIONS)
    rng = np.random.default_rng(0)
    tumours = [draw_tumour(rng, tumour_type) for _ in range(2000)]
    for location, share in tumour_type.locations.items():
        drawn = np.mean([t.location == location for t in tumours])
        assert drawn == pytest.approx(share, abs=0.035)
    radii = np.array([t.radius for t in tumours])
    assert radii.min() >= SMALLEST_MM
    assert radii.max() <= LARGEST_MM
    assert np.median(radii) == pytest.approx(tumour_type.radius[0], rel=0.03)
    assert np.mean([t.calcifications for t in tumours]) == pytest.approx(
        tumour_type.calcifications, abs=0.08
    )
    sides = [np.sign(t.centre[0]) for t in tumours if t.location == "hemisphere"]
    assert np.mean(sides) == pytest.approx(0, abs=0.15)


@pytest.mark.parametrize("cohort", [SLICES, VOLUMES], ids=["2D", "3D"])
def test_the_mask_is_all_compartments_and_the_tumour_is_where_the_table_says(cohort) -> None:
    found = set()
    for index in range(4 if cohort.dimensions == 3 else 60):
        subject = simulate_subject(cohort, index)
        labels = subject.regions["compartments"]
        assert labels.dtype == np.uint8
        assert np.array_equal(labels > 0, subject.mask)
        found |= set(np.unique(labels))
        at = [*np.argwhere(subject.mask).mean(axis=0), *(0,) * (3 - cohort.dimensions), 1]
        millimetres = (subject.affine @ at)[:3]
        places = np.array(LOCATIONS[cohort.covariates_of(index)["location"]])
        near = np.linalg.norm(np.abs(millimetres) - np.abs(places), axis=1).min()
        # Off its place by chance, by the subject's deformation, and as tissue clips it.
        assert near < 30
    assert found >= {0, 1, 2, 3, 5}


def test_compartments_have_their_signal_in_the_image() -> None:
    means = {c: [] for c in Compartment}
    for subject in (simulate_subject(TumourCohort(), i) for i in range(60)):
        brain = np.median(subject.image[subject.tissue & ~subject.mask])
        for compartment, values in means.items():
            where = subject.regions["compartments"] == compartment
            if where.sum() >= 5:
                values.append(subject.image[where].mean() / brain)
    middle = {c: np.median(values) for c, values in means.items()}
    assert middle[Compartment.ENHANCING] > 1.2
    # A small core is mostly edge.
    assert middle[Compartment.NECROSIS_OR_CYST] < 0.8
    assert middle[Compartment.CALCIFICATION] < 0.9
    assert 0.75 < middle[Compartment.OEDEMA] < 1.05


def test_bright_vessels_are_in_both_classes(subjects) -> None:
    bright = [
        (s.image[~ndimage.binary_dilation(s.mask, iterations=4)] > 0.72).mean() for s in subjects
    ]
    assert np.mean(np.array(bright) > 0) > 0.5
    assert abs(roc_auc_score([s.label for s in subjects], bright) - 0.5) < 0.1


def test_the_tumour_displaces_the_brain_around_it() -> None:
    # An image without noise keeps its anatomy away from the tumour, and only there.
    offsets = np.stack(np.meshgrid(*[np.arange(-60.0, 61.0, 4.0)] * 3, indexing="ij"))
    moved = displaced(offsets, offsets, SPHERE)
    distance = np.linalg.norm(offsets, axis=0)
    pull = np.linalg.norm(moved - offsets, axis=0)
    edge = np.abs(distance - 12) < 0.1
    assert pull[edge] == pytest.approx(0.3 * 12 * np.exp(-1 / 1.8**2), rel=0.02)
    assert pull[distance > 55].max() < 0.1
    # Nothing folds: what is further out stays further out.
    along = np.linalg.norm(moved, axis=0).ravel()[np.argsort(distance.ravel())]
    assert (np.diff(along) > -1e-9).all()


def test_no_single_cue_tells_the_class_and_several_do(subjects) -> None:
    def cues(subject: Subject) -> dict[str, list[float]]:
        labels, mask = subject.regions["compartments"], subject.mask
        core = mask & (labels != Compartment.OEDEMA)
        at = subject.affine @ [*np.argwhere(mask).mean(axis=0), 0, 1]

        def share(compartment: Compartment) -> float:
            return float((labels == compartment).sum() / core.sum())

        return {
            "volume": [np.log(mask.sum())],
            "mean of tumour": [subject.image[mask].mean()],
            "mean of image": [subject.image.mean()],
            "centroid": [abs(at[0]), at[1], at[2]],
            "enhancing": [share(Compartment.ENHANCING)],
            "necrosis": [share(Compartment.NECROSIS_OR_CYST)],
            "oedema": [share(Compartment.OEDEMA)],
            "calcification": [share(Compartment.CALCIFICATION)],
        }

    table = [cues(subject) for subject in subjects]
    labels = [subject.label for subject in subjects]

    def auc(*names: str) -> float:
        features = [[value for name in names for value in row[name]] for row in table]
        model = make_pipeline(StandardScaler(), LogisticRegression())
        scores = cross_val_predict(model, features, labels, cv=5, method="predict_proba")
        return float(roc_auc_score(labels, scores[:, 1]))

    single = {name: auc(name) for name in table[0]}
    assert max(single.values()) < 0.82, single
    assert auc(*table[0]) > max(single.values()) + 0.08
    assert auc("volume", "mean of tumour", "centroid", "enhancing") < 0.85
