"""Folders that pages speak of and do not make themselves."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
from broken_files import dicom_slice, save
from dicom_sources import with_study
from group_maps import people, write_covariates, write_folder
from PIL import Image as Pillow


def cohort_kinds(folder: Path) -> None:
    """A table with sessions and sites, one with channels, and folders of classes."""
    _patients(folder / "patients")
    _sequences(folder / "sequences")
    _clinic(folder / "clinic")
    for number, name in enumerate(
        ("benign/case1", "benign/case2", "malignant/case3", "malignant/patient4/left",
         "malignant/patient4/right")
    ):  # fmt: skip
        _picture(folder / "pictures" / f"{name}.png", number)
    mask = np.zeros((20, 24), np.uint8)
    mask[5:9, 6:12] = 255
    Pillow.fromarray(mask).save(folder / "pictures" / "benign" / "case1_mask.png")


def _patients(folder: Path) -> None:
    rows = [
        ("p01", "baseline", "scans/p01_a.nii.gz", "patient", "masks/p01_a.nii.gz", "Leiden"),
        ("p01", "followup", "scans/p01_b.nii.gz", "patient", "n/a", "Leiden"),
        ("p02", "baseline", "scans/p02_a.nii.gz", "control", "n/a", "Pune"),
        ("p03", "baseline", "scans/p03_a.nii.gz", "patient", "n/a", "Leiden"),
        ("p03", "followup", "scans/p03_b.nii.gz", "patient", "n/a", "Leiden"),
        ("p04", "baseline", "scans/p04_a.nii.gz", "control", "n/a", "Pune"),
        ("p05", "baseline", "scans/p05_a.nii.gz", "patient", "n/a", "Leiden"),
        ("p06", "baseline", "scans/p06_a.nii.gz", "control", "n/a", "Pune"),
    ]
    for number, row in enumerate(rows):
        _volume(folder / row[2], number)
    mask = np.zeros((12, 14, 10), np.uint8)
    mask[4:7, 5:8, 3:6] = 1
    _nifti(folder / "masks" / "p01_a.nii.gz", mask, (1, 1, 1.5))
    header = ("participant_id", "session", "image", "label", "mask", "site")
    _table(folder / "participants.tsv", [header, *rows])


def _sequences(folder: Path) -> None:
    rows = []
    for number in range(4):
        images = [f"p{number + 1:02d}_{name}.nii.gz" for name in ("t1", "flair")]
        for channel, image in enumerate(images):
            _volume(folder / image, 10 * channel + number)
        rows.append((f"p{number + 1:02d}", *images, ("patient", "control")[number % 2]))
    header = ("participant_id", "image_t1", "image_flair", "label")
    _table(folder / "participants.csv", [header, *rows], ",")


def _clinic(folder: Path) -> None:
    header = ("participant_id", "diagnosis", "filename")
    rows = [
        (f"{number:03d}", ("control", "epilepsy")[number % 2], f"scans\\p{number:03d}.nii.gz")
        for number in range(1, 5)
    ]
    for number, row in enumerate(rows):
        _volume(folder / row[2].replace("\\", "/"), number)
    _table(folder / "participants.csv", [header, *rows], ";")


def mixed(folder: Path) -> None:
    """Volumes of several shapes and spacings; patients are brighter in the middle."""
    rows: list[tuple[str, ...]] = [("participant_id", "image", "label")]
    for number in range(16):
        shape = (14, 16 + number % 2, 15 + number % 3)
        voxels = np.random.default_rng(number).normal(100, 10, shape)
        if number % 2:
            voxels[5:9, 6:10, 6:10] += 80
        name = f"p{number:02d}.nii.gz"
        _nifti(folder / "mixed" / name, voxels.astype(np.float32), (1, 1, (1.0, 1.25)[number % 2]))
        rows.append((f"p{number:02d}", name, ("control", "patient")[number % 2]))
    _table(folder / "mixed" / "participants.tsv", rows)


def bids(folder: Path) -> None:
    """A BIDS data set with two sequences and sessions."""
    study = folder / "study"
    rows: list[tuple[str, ...]] = [("participant_id", "diagnosis")]
    for number in range(4):
        subject = f"sub-{number + 1:02d}"
        for suffix in ("T1w", "FLAIR"):
            name = f"{subject}_ses-1_{suffix}.nii.gz"
            _volume(study / subject / "ses-1" / "anat" / name, number + len(suffix))
        rows.append((subject, ("patient", "control")[number % 2]))
    _table(study / "participants.tsv", rows)
    description = {"Name": "study", "BIDSVersion": "1.10.0"}
    (study / "dataset_description.json").write_text(json.dumps(description), encoding="utf-8")


def dicom(folder: Path) -> None:
    """A table of DICOM series."""
    clinic = folder / "clinic"
    rows: list[tuple[str, ...]] = [("participant_id", "image", "label")]
    for number in range(4):
        series = clinic / f"p{number + 1:02d}" / "series-3"
        series.mkdir(parents=True)
        voxels = np.random.default_rng(number).integers(0, 1000, (8, 12, 13)).astype(np.uint16)
        for place, pixels in enumerate(voxels):
            dataset = with_study(dicom_slice(pixels, (-20, 30, 2 * place)), number=place + 1)
            dataset.PatientName, dataset.PatientID = f"Doe^{number}", f"MRN-{number}"
            dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"1.2.{number}", f"1.3.{number}"
            dataset.SOPInstanceUID = f"1.4.{number}.{place}"
            dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
            dataset.FrameOfReferenceUID = f"1.5.{number}"
            save(dataset, series / f"IM{place}.dcm")
        rows.append(
            (
                f"p{number + 1:02d}",
                f"p{number + 1:02d}/series-3",
                ("patient", "control")[number % 2],
            )
        )
    _table(clinic / "participants.tsv", rows)


def template_maps(folder: Path) -> None:
    """Maps in MNI space of two groups of twelve, and a table of covariates."""
    write_folder(folder / "template-maps", people(effect=2.5))
    write_covariates(
        folder / "participants.tsv", age=[50 + 7 * index % 31 for index in range(24)],
        sex=["f", "m"] * 12,
    )  # fmt: skip


MAKERS = {
    "cohort-kinds": cohort_kinds,
    "mixed": mixed,
    "bids": bids,
    "dicom": dicom,
    "template-maps": template_maps,
}


def _volume(path: Path, seed: int) -> None:
    # The same values in every volume, in another order: their percentiles are the same.
    values = np.linspace(0, 255, 12 * 14 * 10).round().astype(np.uint8)
    voxels = np.random.default_rng(seed).permutation(values).reshape(12, 14, 10)
    _nifti(path, voxels, (1, 1, 1.5))


def _nifti(path: Path, voxels: np.ndarray, spacing: Sequence[float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.Nifti1Image(voxels, np.diag([*spacing, 1.0])).to_filename(path)


def _picture(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (20, 24)).astype(np.uint8)
    Pillow.fromarray(pixels).save(path)


def _table(path: Path, rows: Sequence[Sequence[str]], separator: str = "\t") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, delimiter=separator, lineterminator="\n").writerows(rows)
