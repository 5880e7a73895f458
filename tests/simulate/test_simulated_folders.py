import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import pytest
from in_process_cluster import InProcessCluster
from PIL import Image

import hrcam
from hrcam.errors import InputError, MachineError
from hrcam.simulate import LesionCohort, simulate_images, simulate_subject, write_cohort

SLICES = LesionCohort(subjects=10, size=64, radius=(2.0, 4.0), test_fraction=0.4)
VOLUMES = LesionCohort(dimensions=3, subjects=4, size=32, voxel_size=3.0, radius=(2.0, 3.0))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def read_table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, sep="\t", keep_default_na=False)


def test_the_table_lists_every_subject(tmp_path: Path) -> None:
    path = write_cohort(SLICES, tmp_path / "new" / "cohort", workers=1)
    assert path == tmp_path / "new" / "cohort" / "participants.tsv"
    table = read_table(path)
    assert list(table.columns) == ["participant_id", "image", "label", "mask", "group", "split"]
    assert table.participant_id.tolist() == [f"sub-{i:05d}" for i in range(1, 11)]
    assert table.group.tolist() == table.participant_id.tolist()
    assert table.label.tolist() == ["control", "lesion"] * 5
    assert (table["mask"] == "n/a").tolist() == [True, False] * 5
    assert table.groupby("label").split.value_counts().to_dict() == {
        ("control", "train"): 3,
        ("control", "test"): 2,
        ("lesion", "train"): 3,
        ("lesion", "test"): 2,
    }
    listed = [*table.image, *(m for m in table["mask"] if m != "n/a")]
    assert sorted(contents(path.parent)) == sorted([*listed, "participants.tsv", "manifest.json"])


def test_png_files_hold_the_images_in_memory(tmp_path: Path) -> None:
    folder = write_cohort(SLICES, tmp_path, workers=2).parent
    images, _, masks = simulate_images(SLICES, workers=1)
    for i, row in enumerate(read_table(folder / "participants.tsv").itertuples()):
        with Image.open(folder / row.image) as file:
            assert file.mode == "L"
            assert np.abs(np.asarray(file) / 255 - images[i, 0]).max() <= 0.5 / 255 + 1e-6
        if row.mask != "n/a":
            with Image.open(folder / row.mask) as file:
                assert np.array_equal(np.asarray(file), 255 * masks[i].astype(np.uint8))


@pytest.mark.parametrize("cohort", [VOLUMES, replace(SLICES, subjects=4)], ids=["3D", "2D"])
def test_nifti_files_hold_the_images_in_memory_and_their_place(cohort, tmp_path: Path) -> None:
    table = read_table(write_cohort(cohort, tmp_path, workers=1, image_format="nifti"))
    for i, row in enumerate(table.itertuples()):
        subject = simulate_subject(cohort, i)
        nifti = nibabel.load(tmp_path / row.image)
        assert nifti.shape == (*cohort.shape, *(1,) * (3 - cohort.dimensions))
        data = nifti.get_fdata().reshape(cohort.shape)
        assert np.abs(data - subject.image).max() <= 0.5 / 32767 + 1e-6
        assert np.array_equal(nifti.affine, subject.affine)
        # 4: MNI 152 space.
        assert int(nifti.header["sform_code"]) == int(nifti.header["qform_code"]) == 4
        assert nifti.get_qform() == pytest.approx(subject.affine, abs=1e-4)
        assert nifti.header.get_zooms() == pytest.approx([cohort.resolution] * 3)
        assert b"simulated" in nifti.header["descrip"].item()
        if row.mask != "n/a":
            mask = nibabel.load(tmp_path / row.mask)
            assert mask.get_data_dtype() == np.uint8
            assert np.array_equal(mask.affine, subject.affine)
            assert np.array_equal(np.asarray(mask.dataobj).reshape(cohort.shape), subject.mask)


def test_the_manifest_says_what_made_the_images(tmp_path: Path) -> None:
    write_cohort(SLICES, tmp_path, workers=1)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["simulated"] is True
    assert "simulated" in manifest["description"].lower()
    parameters = manifest["parameters"]
    made = LesionCohort(
        **{
            **parameters,
            "number": tuple(parameters["number"]),
            "radius": tuple(parameters["radius"]),
        }
    )
    assert made == SLICES
    assert set(parameters) == set(asdict(SLICES))
    assert manifest["versions"]["hrcam"] == hrcam.__version__
    assert manifest["versions"]["numpy"] == np.__version__


@pytest.mark.parametrize("cohort", [SLICES, VOLUMES], ids=["2D", "3D"])
def test_a_second_run_writes_only_what_is_missing_or_cut_short(cohort, tmp_path: Path) -> None:
    folder = write_cohort(cohort, tmp_path, workers=1).parent
    whole = contents(folder)
    files = sorted(p for kind in ("images", "masks") for p in (folder / kind).iterdir())
    for path in files:
        os.utime(path, (1, 1))
    images, masks = sorted((folder / "images").iterdir()), sorted((folder / "masks").iterdir())
    images[0].unlink()
    images[1].write_bytes(images[1].read_bytes()[:-100])
    images[2].write_bytes(b"")
    masks[1].unlink()
    (folder / "participants.tsv").unlink()
    write_cohort(cohort, folder, workers=1)
    assert contents(folder) == whole
    again = {p for p in files if p.stat().st_mtime > 2}
    # The second and fourth subjects have masks, and come whole.
    assert again == {*images[:4], *masks[:2]}


def test_a_killed_run_leaves_no_half_file_and_can_be_finished(tmp_path: Path) -> None:
    cohort = LesionCohort(subjects=300, size=64)
    code = (
        "import sys; from hrcam.simulate import *; "
        "write_cohort(LesionCohort(subjects=300, size=64), sys.argv[1], workers=1)"
    )
    folder = tmp_path / "cohort"
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    deadline = time.monotonic() + 60
    while len(list(folder.glob("images/sub-*.png"))) < 20 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {p: p.stat().st_mtime_ns for p in folder.glob("images/*.png")}
    assert 20 <= len(before) < 300
    assert not (folder / "participants.tsv").exists()
    for path in before:
        with Image.open(path) as image:
            image.load()
    write_cohort(cohort, folder, workers=1)
    kept = [p for p, stamp in before.items() if p.stat().st_mtime_ns == stamp]
    # Only the subject that was being written may be written again.
    assert len(kept) >= len(before) - 1
    assert len(list(folder.glob("images/*.png"))) == 300
    assert not list(folder.rglob("*.part"))


def test_a_cluster_writes_the_same_and_a_subject_that_kills_its_workers_is_named(
    tmp_path: Path,
) -> None:
    deadly = InProcessCluster(lambda subjects: 6 in subjects)
    with pytest.raises(MachineError, match="subject 7 could not be simulated: workers died"):
        write_cohort(SLICES, tmp_path / "there", cluster=deadly)
    assert len(list((tmp_path / "there/images").iterdir())) == 9
    write_cohort(SLICES, tmp_path / "there", cluster=InProcessCluster())
    write_cohort(SLICES, tmp_path / "here", workers=1)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_other_parameters_are_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    write_cohort(SLICES, tmp_path, workers=1)
    whole = contents(tmp_path)
    with pytest.raises(InputError, match=r"other parameters \(seed was 0, is 1\): choose another"):
        write_cohort(replace(SLICES, seed=1), tmp_path, workers=1)
    with pytest.raises(InputError, match="image_format was png, is nifti"):
        write_cohort(SLICES, tmp_path, workers=1, image_format="nifti")
    assert contents(tmp_path) == whole


@pytest.mark.parametrize("cohort", [SLICES, VOLUMES], ids=["2D", "3D"])
def test_a_cohort_grows_to_what_a_larger_one_would_have_been(cohort, tmp_path: Path) -> None:
    fewer = replace(cohort, subjects=cohort.subjects - 1)
    folder = write_cohort(fewer, tmp_path / "grown", workers=1).parent
    files = [p for kind in ("images", "masks") for p in (folder / kind).iterdir()]
    for path in files:
        os.utime(path, (1, 1))
    write_cohort(cohort, folder, workers=1)
    assert all(path.stat().st_mtime == 1 for path in files)
    whole = write_cohort(cohort, tmp_path / "whole", workers=1).parent
    assert contents(folder) == contents(whole)


def test_a_cohort_whose_growth_was_interrupted_can_be_finished(tmp_path: Path) -> None:
    larger = replace(SLICES, subjects=12)
    whole = contents(write_cohort(larger, tmp_path / "whole", workers=1).parent)
    folder = write_cohort(SLICES, tmp_path / "grown", workers=1).parent
    table = (folder / "participants.tsv").read_bytes()
    # Killed before the last subject: some images are there, the table is the old one.
    for name in ("manifest.json", "images/sub-00011.png"):
        (folder / name).write_bytes(whole[name])
    with pytest.raises(InputError, match="12 subjects, more than 10"):
        write_cohort(SLICES, folder, workers=1)
    assert (folder / "participants.tsv").read_bytes() == table
    write_cohort(larger, folder, workers=1)
    assert contents(folder) == whole


def test_fewer_subjects_are_refused_and_nothing_is_touched(tmp_path: Path) -> None:
    write_cohort(SLICES, tmp_path, workers=1)
    whole = contents(tmp_path)
    with pytest.raises(InputError, match=r"made with 10 subjects, more than 9: ask for 10 or more"):
        write_cohort(replace(SLICES, subjects=9), tmp_path, workers=1)
    with pytest.raises(InputError, match=r"other parameters \(noise was 0.03, is 0.1\)"):
        write_cohort(replace(SLICES, subjects=12, noise=0.1), tmp_path, workers=1)
    assert contents(tmp_path) == whole


TOO_LARGE = replace(VOLUMES, subjects=20, voxel_size=None, radius=(3.0, 8.0))


@pytest.mark.parametrize(("workers", "image_format"), [(1, "bids"), (2, None)])
def test_parameters_without_room_leave_a_new_folder_for_others(
    workers, image_format, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="no room for"):
        write_cohort(TOO_LARGE, tmp_path / "new", workers=workers, image_format=image_format)
    assert not list((tmp_path / "new").iterdir())
    write_cohort(VOLUMES, tmp_path / "new", workers=1)
    assert len(read_table(tmp_path / "new" / "participants.tsv")) == 4


def test_a_cohort_that_cannot_grow_stays_what_it_was(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="subject 1: ") as no_room:
        write_cohort(TOO_LARGE, tmp_path / "whole", workers=1)
    assert "no room" in str(no_room.value)
    fewer = replace(TOO_LARGE, subjects=1)
    write_cohort(fewer, tmp_path / "grown", workers=1)
    before = contents(tmp_path / "grown")
    with pytest.raises(InputError, match="subject 1: "):
        write_cohort(TOO_LARGE, tmp_path / "grown", workers=1)
    assert contents(tmp_path / "grown") == before
    write_cohort(fewer, tmp_path / "grown", workers=1)


def test_a_folder_with_other_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        write_cohort(SLICES, tmp_path, workers=1)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}
    (tmp_path / "manifest.json").write_text('{"name": "an extension"}')
    with pytest.raises(InputError, match="not the manifest of a simulated cohort"):
        write_cohort(SLICES, tmp_path, workers=1)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cohort").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        write_cohort(SLICES, tmp_path / "cohort", workers=1)


def test_formats_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot hold a volume"):
        write_cohort(VOLUMES, tmp_path, image_format="png")
    with pytest.raises(InputError, match="image_format is 'jpeg': use one of png, nifti"):
        write_cohort(SLICES, tmp_path, image_format="jpeg")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
