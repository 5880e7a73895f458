"""A simulated cohort as a BIDS data set: valid, read as a cohort, with the same images."""

import json
from dataclasses import replace

import numpy as np
import pytest
from bids_validation import bids_issues

from hrcam.cohort.opening import open_cohort
from hrcam.cohort.reading import read_image
from hrcam.simulate import LesionCohort, NeuromelaninCohort, TumourCohort, write_cohort

SLICES = LesionCohort(subjects=4, size=64, radius=(2.0, 4.0), test_fraction=0.5)
NEUROMELANIN = NeuromelaninCohort(subjects=2, size=64)
TUMOURS = TumourCohort(subjects=2, size=96)


@pytest.mark.parametrize("cohort", [SLICES, NEUROMELANIN, TUMOURS], ids=lambda one: one.kind)
def test_a_cohort_and_its_masks_are_valid_bids_data_sets(tmp_path, cohort):
    table = write_cohort(cohort, tmp_path / "study", workers=1, image_format="bids")
    masks = table.parent / "derivatives/masks"
    assert bids_issues(table.parent) == []
    assert bids_issues(masks) == []
    names = {path.name.partition("_")[2] for path in masks.glob("sub-*/anat/*")}
    regions = {f"seg-{region}_dseg.nii.gz" for region in cohort.regions}
    assert names == {"label-pathology_mask.nii.gz", *regions}
    columns = table.read_text().splitlines()[0].split("\t")
    described = json.loads((table.parent / "participants.json").read_text())
    assert columns == ["participant_id", *described]
    assert {"label", "split", *cohort.covariates} == described.keys()


def test_it_is_read_as_a_cohort_with_the_images_of_the_other_layout(tmp_path):
    plain = open_cohort(write_cohort(SLICES, tmp_path / "plain", workers=1, image_format="nifti"))
    study = write_cohort(SLICES, tmp_path / "study", workers=1, image_format="bids").parent
    found = open_cohort(study)
    assert [(scan.name, scan.label, scan.split) for scan in found.scans] == [
        (scan.name, scan.label, scan.split) for scan in plain.scans
    ]
    for ours, theirs in zip(found.scans, plain.scans, strict=True):
        assert ours.images["image"].read_bytes() == theirs.images["image"].read_bytes()
        assert ours.participant == ours.name
    (mask,) = (study / "derivatives/masks").glob("sub-00002/anat/*_mask.nii.gz")
    assert mask.read_bytes() == plain.scans[1].mask.read_bytes()
    assert np.count_nonzero(read_image(mask).voxels) > 0


def test_it_grows_and_the_first_subjects_stay(tmp_path):
    few = write_cohort(
        replace(SLICES, subjects=2), tmp_path / "study", workers=1, image_format="bids"
    )
    before = (few.parent / "sub-00001/anat/sub-00001_T1w.nii.gz").read_bytes()
    write_cohort(SLICES, tmp_path / "study", workers=1, image_format="bids")
    assert (few.parent / "sub-00001/anat/sub-00001_T1w.nii.gz").read_bytes() == before
    assert len(open_cohort(few.parent).scans) == 4
