"""What holds for every kind of simulated cohort."""

import json
import os
import pickle
from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from hrcam.errors import InputError
from hrcam.simulate import (
    LesionCohort,
    NeuromelaninCohort,
    SimulatedCohort,
    TumourCohort,
    simulate_images,
    simulate_subject,
    write_cohort,
)

COHORTS: dict[str, SimulatedCohort] = {
    "lesions 2D": LesionCohort(subjects=4, size=64, radius=(2.0, 4.0)),
    "tumours 2D": TumourCohort(subjects=4, size=64),
    "tumours 3D": TumourCohort(subjects=3, size=64, dimensions=3),
    "neuromelanin 2D": NeuromelaninCohort(subjects=4, size=72),
    "neuromelanin 3D": NeuromelaninCohort(subjects=3, size=72, dimensions=3),
}
every_cohort = pytest.mark.parametrize("cohort", COHORTS.values(), ids=COHORTS)


def read_pixels(path: Path) -> np.ndarray:
    if path.suffix == ".png":
        with Image.open(path) as image:
            return np.asarray(image)
    return np.asarray(nibabel.load(path).dataobj)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@every_cohort
def test_a_subject_is_the_same_alone_and_in_any_cohort(cohort: SimulatedCohort) -> None:
    images, labels, masks = simulate_images(replace(cohort, subjects=5), workers=1)
    assert images.shape == (5, 1, *cohort.shape)
    for index in range(cohort.subjects):
        subject = simulate_subject(cohort, index)
        assert np.array_equal(subject.image, images[index, 0])
        assert np.array_equal(subject.mask, masks[index])
        assert subject.label == labels[index] == cohort.label(index)
    other = simulate_subject(replace(cohort, seed=1), 0).image
    assert not np.array_equal(other, images[0, 0])


@every_cohort
def test_a_cohort_travels_between_processes(cohort: SimulatedCohort) -> None:
    assert pickle.loads(pickle.dumps(cohort)) == cohort


@every_cohort
def test_every_image_has_the_form_that_was_promised(cohort: SimulatedCohort) -> None:
    for index in range(cohort.subjects):
        subject = simulate_subject(cohort, index)
        assert subject.image.dtype == np.float32
        assert 0 <= subject.image.min() < subject.image.max() <= 1
        assert subject.image[subject.tissue].mean() == pytest.approx(0.5, abs=0.06)
        assert subject.mask.any() == cohort.has_mask(index)
        assert tuple(subject.regions) == cohort.regions
        assert tuple(cohort.covariates_of(index)) == cohort.covariates
        for region in subject.regions.values():
            assert region.shape == cohort.shape
            assert region.any()
        lengths = np.linalg.norm(subject.affine[:3, : cohort.dimensions], axis=0)
        assert lengths == pytest.approx(cohort.spacing)


@every_cohort
def test_a_folder_holds_every_array_and_says_that_it_is_simulated(cohort, tmp_path: Path) -> None:
    path = write_cohort(cohort, tmp_path, workers=1)
    table = pd.read_csv(path, sep="\t", keep_default_na=False)
    columns = ["participant_id", "image", "label", "mask", "group", "split"]
    assert list(table.columns) == [*columns, *cohort.regions, *cohort.covariates]
    png = cohort.dimensions == 2
    for index, row in enumerate(table.to_dict("records")):
        subject = simulate_subject(cohort, index)
        assert row["label"] == cohort.labels[subject.label]
        assert (row["mask"] != "n/a") == cohort.has_mask(index)
        if row["mask"] != "n/a":
            assert np.array_equal(read_pixels(tmp_path / row["mask"]) > 0, subject.mask)
        for name, region in subject.regions.items():
            scale = 255 if png and region.dtype == bool else 1
            assert np.array_equal(read_pixels(tmp_path / row[name]), scale * region.astype(int))
        assert {name: row[name] for name in cohort.covariates} == {
            name: type(row[name])(text) for name, text in cohort.covariates_of(index).items()
        }
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["simulated"] is True
    assert manifest["kind"] == cohort.kind
    assert manifest["description"].startswith("Simulated images")
    assert "No patient was scanned" in manifest["description"]
    size = manifest["voxel_size_mm"]
    assert (size if isinstance(size, list) else [size] * cohort.dimensions) == list(cohort.spacing)


@every_cohort
def test_a_folder_is_finished_and_grows(cohort, tmp_path: Path) -> None:
    folder = write_cohort(replace(cohort, subjects=cohort.subjects - 1), tmp_path / "a", 1).parent
    names = ["images", *cohort.regions]
    kept = [folder / name / f"sub-00002{'.png' if cohort.dimensions == 2 else '.nii.gz'}"
            for name in names]  # fmt: skip
    for file in kept:
        os.utime(file, (1, 1))
    broken = folder / names[-1] / kept[0].name.replace("2", "1", 1)
    broken.write_bytes(broken.read_bytes()[:-9])
    write_cohort(cohort, folder, workers=1)
    assert all(file.stat().st_mtime == 1 for file in kept)
    assert contents(folder) == contents(write_cohort(cohort, tmp_path / "b", workers=1).parent)


def test_a_folder_of_another_kind_is_refused(tmp_path: Path) -> None:
    write_cohort(COHORTS["tumours 2D"], tmp_path, workers=1)
    before = contents(tmp_path)
    with pytest.raises(InputError, match="a cohort of simulated tumours, not neuromelanin"):
        write_cohort(COHORTS["neuromelanin 2D"], tmp_path, workers=1)
    assert contents(tmp_path) == before


@pytest.mark.parametrize("kind", [TumourCohort, NeuromelaninCohort])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dimensions": 4}, "dimensions is 4: use 2"),
        ({"subjects": 0}, "subjects is 0: use a whole number of 1 or more"),
        ({"size": 31}, "size is 31: use a whole number of"),
        ({"noise": -0.1}, "noise is -0.1: use a number from 0 to 1"),
        ({"test_fraction": 2}, "test_fraction is 2"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_wrong_parameters_are_refused_with_what_to_do(kind, wrong, message) -> None:
    with pytest.raises(InputError, match=message):
        kind(**wrong)


def test_wrong_shares_of_a_class_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"glioblastoma_fraction is 1\.5: use a number from 0 to 1"
    ):
        TumourCohort(glioblastoma_fraction=1.5)
    with pytest.raises(InputError, match="patient_fraction is -1"):
        NeuromelaninCohort(patient_fraction=-1)
