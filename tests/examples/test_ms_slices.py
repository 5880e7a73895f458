"""The cohort of FLAIR slices, from tiny volumes laid out as the real ones."""

import csv
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image as Pillow

from hrcam.cohort import open_cohort
from hrcam.cohort.check import check_cohort
from hrcam.cohort.reading import read_mask, read_scan

EXAMPLE = Path(__file__).parents[2] / "examples" / "ms_slices.py"
SHAPE = (30, 34, 6)
# Lesion pixels of each slice; the first slice has no brain and is not listed.
PIXELS = {"patient01": (0, 0, 20, 19, 25, 0), "patient02": (0, 40, 0, 1, 0, 20)}


def volumes(name: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Signal and lesions, stored from right to left as the real ones."""
    signal = np.zeros(SHAPE, np.float32)
    signal[6:26, 5:27, 1:] = np.random.default_rng(seed).uniform(50, 100, (20, 22, 5))
    signal[6, 5, 1] = -3  # what interpolation leaves
    lesions = np.zeros(SHAPE, np.uint8)
    for z, count in enumerate(PIXELS[name]):
        lesions[8:13, 9:19, z] = (np.arange(50) < count).reshape(5, 10)
    return signal, lesions


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    for part in ("volumes", "lesion_masks"):
        (folder / part).mkdir(parents=True)
    lines = ["id,z,brain_pixels,lesion_pixels"]
    for seed, (name, counts) in enumerate(PIXELS.items()):
        signal, lesions = volumes(name, seed)
        affine = np.diag([-1.0, 1, 1, 1])
        save(signal, affine, folder / "volumes" / f"{name}_FLAIR.nii.gz")
        save(lesions, affine, folder / "lesion_masks" / f"{name}_lesions.nii.gz")
        lines += [f"{name},{z},440,{counts[z]}" for z in range(1, 6)]
    (folder / "slices.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def save(voxels: np.ndarray, affine: np.ndarray, path: Path) -> None:
    nibabel.Nifti1Image(voxels, affine).to_filename(path)


def run(data: Path, out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, EXAMPLE, data, "--out", out], capture_output=True, text=True, check=False
    )


@pytest.fixture
def cohort(data, tmp_path):
    done = run(data, tmp_path / "cohort")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "4 slices with lesions, 4 without; left out with 1 to 19 lesion pixels: 2\n"
    )
    return tmp_path / "cohort"


def test_slices_with_few_lesion_pixels_are_neither_the_one_nor_the_other(cohort):
    with (cohort / "participants.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    found = {row["participant_id"]: (row["label"], row["group"]) for row in rows}
    assert found == {
        "patient01z001": ("without", "patient01"),
        "patient01z002": ("lesion", "patient01"),
        "patient01z004": ("lesion", "patient01"),
        "patient01z005": ("without", "patient01"),
        "patient02z001": ("lesion", "patient02"),
        "patient02z002": ("without", "patient02"),
        "patient02z004": ("without", "patient02"),
        "patient02z005": ("lesion", "patient02"),
    }
    assert {row["mask"] for row in rows if row["label"] == "without"} == {"n/a"}


def test_check_accepts_the_cohort_and_patients_stay_together(cohort):
    opened = open_cohort(cohort)
    report = check_cohort(opened, workers=1, progress=False)
    assert not report.refused
    assert {scan.group for scan in opened.scans} == {"patient01", "patient02"}


def test_pictures_are_as_radiologists_see_them_and_hold_the_whole_brain(cohort, data):
    signal, lesions = volumes("patient01", 0)
    scan = next(one for one in open_cohort(cohort).scans if one.name == "patient01z002")
    image = read_scan(scan)
    # Stored from right to left: columns are as stored, rows from front to back.
    expected = (np.maximum(signal, 0) / signal.max())[2:30, 1:31, 2].T[::-1]
    assert image.voxels.shape[1:] == expected.shape  # the brain and 4 pixels around it
    np.testing.assert_allclose(image.voxels[0] / 65535, expected, atol=1e-5)
    mask = read_mask(scan.mask, image)
    np.testing.assert_array_equal(mask, lesions[2:30, 1:31, 2].T[::-1] > 0)
    with Pillow.open(scan.mask) as picture:
        assert picture.mode == "L"


def test_the_scale_is_that_of_the_patient_not_of_the_slice(cohort):
    def brightest(name: str) -> float:
        return max(
            float(read_scan(one).voxels.max())
            for one in open_cohort(cohort).scans
            if one.group == name
        )

    signal, _ = volumes("patient02", 1)
    used = signal[..., [1, 2, 4, 5]].max() / signal.max()
    assert brightest("patient02") == pytest.approx(65535 * used, abs=1)


def test_the_same_command_again_gives_the_same_files(cohort, data):
    before = {path: path.read_bytes() for path in cohort.rglob("*") if path.is_file()}
    assert run(data, cohort).returncode == 0
    assert {path: path.read_bytes() for path in cohort.rglob("*") if path.is_file()} == before


@pytest.mark.real_data
def test_the_real_volumes_give_the_slices_that_the_documentation_counts(real_data, tmp_path):
    done = run(real_data / "ms_lesions_mni_3d", tmp_path / "cohort")
    assert done.stdout.startswith("141 slices with lesions, 109 without;")
    assert done.stdout.endswith(" 72\n")


def drop_mask(data: Path) -> None:
    (data / "lesion_masks" / "patient02_lesions.nii.gz").unlink()


def turn_mask(data: Path) -> None:
    path = data / "lesion_masks" / "patient01_lesions.nii.gz"
    voxels = np.asarray(nibabel.load(path).dataobj)
    save(voxels[..., ::-1], np.diag([-1.0, 1, 1, 1]), path)


def shift_mask(data: Path) -> None:
    path = data / "lesion_masks" / "patient01_lesions.nii.gz"
    affine = np.diag([-1.0, 1, 1, 1])
    affine[2, 3] = 5
    save(np.asarray(nibabel.load(path).dataobj), affine, path)


def empty_volume(data: Path) -> None:
    path = data / "volumes" / "patient02_FLAIR.nii.gz"
    save(np.zeros(SHAPE, np.float32), np.diag([-1.0, 1, 1, 1]), path)


def far_slice(data: Path) -> None:
    path = data / "slices.csv"
    path.write_text(path.read_text(encoding="utf-8") + "patient02,6,440,0\n", encoding="utf-8")


def drop_table(data: Path) -> None:
    (data / "slices.csv").unlink()


def rename_column(data: Path) -> None:
    path = data / "slices.csv"
    text = path.read_text(encoding="utf-8").replace("lesion_pixels", "lesions")
    path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (drop_mask, "patient02_lesions.nii.gz is missing"),
        (turn_mask, "patient01, slice 1: the mask has 25 lesion pixels, and 0 in slices.csv"),
        (shift_mask, "patient01: the lesion mask is not in the voxels"),
        (empty_volume, "patient02: the FLAIR volume is empty"),
        (far_slice, "patient02 has slices 0 to 5, and slices.csv asks for 6"),
        (drop_table, "slices.csv is missing"),
        (rename_column, "has no column lesion_pixels"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(data, tmp_path, damage, message):
    damage(data)
    done = run(data, tmp_path / "cohort")
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "cohort").exists()
