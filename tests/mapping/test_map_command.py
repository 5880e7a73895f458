"""`hrcam map`, with a run that was really trained."""

import csv
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from broken_files import cut, write_series
from PIL import Image as Pillow
from small_runs import map_of
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError
from hrcam.mapping import open_input
from hrcam.mapping.job import with_channels_of
from hrcam.training.cohort_training import train_cohort
from hrcam.training.config import Hardware, TrainingConfig


def command(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A cohort of twelve pictures and a run on it, of two folds and one epoch."""
    folder = tmp_path_factory.mktemp("cohort")
    generator = np.random.default_rng(0)
    lines = ["participant_id\timage\tlabel"]
    for index in range(12):
        pixels = generator.integers(0, 200, (24, 24))
        pixels[8:14, 8:14] += 55 * (index % 2)
        Pillow.fromarray(pixels.astype(np.uint8)).save(folder / f"{index}.png")
        lines.append(f"p{index}\t{index}.png\t{('plain', 'bright')[index % 2]}")
    (folder / "participants.tsv").write_text("\n".join(lines) + "\n")
    config = TrainingConfig(folds=2, epochs=1, shape=(32, 32), batch_size=4)
    hardware = Hardware(accelerator="cpu", workers=1)
    train_cohort(
        open_cohort(folder), folder.parent / "run", config, hardware=hardware, progress=False
    )
    return folder, folder.parent / "run"


def test_a_cohort_is_mapped_by_the_folds_that_did_not_see_it(trained, tmp_path):
    cohort, run = trained
    result = command("map", run, cohort, "--out", tmp_path / "maps")
    assert result.exit_code == 0, result.output
    assert "mapped 12 scans, 0 were mapped already" in result.output
    with (run / "predictions.tsv").open(newline="") as file:
        predictions = {row["scan"]: row for row in csv.DictReader(file, delimiter="\t")}
    records = [
        json.loads(path.read_bytes())
        for path in (tmp_path / "maps").glob("sub-*/anat/*_statmap.json")
    ]
    assert len(records) == 12
    for record in records:
        row = predictions[record["Scan"]]
        assert record["Folds"] == [int(row["fold"])]
        assert record["SeenInTraining"] is False
        assert record["Label"] == row["label"]
        # The same network on the same image says the same.
        assert record["Probabilities"]["bright"] == pytest.approx(
            float(row["probability_bright"]), abs=1e-4
        )
    again = command("map", run, cohort, "--out", tmp_path / "maps")
    assert "mapped 0 scans, 12 were mapped already" in again.output


def test_one_new_picture_is_mapped_by_all_folds(trained, tmp_path):
    _, run = trained
    pixels = np.random.default_rng(5).integers(0, 256, (30, 40)).astype(np.uint8)
    Pillow.fromarray(pixels).save(tmp_path / "new case.png")
    result = command("map", run, tmp_path / "new case.png", "--out", tmp_path / "maps")
    assert result.exit_code == 0, result.output
    (path,) = (tmp_path / "maps").glob("sub-*/anat/*_statmap.json")
    record = json.loads(path.read_bytes())
    assert record["Folds"] == [1, 2]
    assert record["Shape"] == [30, 40]
    assert map_of(path.parent, record, "pattern").shape == (30, 40)


def test_bad_scans_give_exit_code_1_unless_they_may_be_skipped(trained, tmp_path):
    _, run = trained
    folder = tmp_path / "bad"
    for label in ("plain", "bright"):
        (folder / label).mkdir(parents=True)
        for index in range(2):
            pixels = np.random.default_rng(index).integers(0, 256, (20, 20)).astype(np.uint8)
            Pillow.fromarray(pixels).save(folder / label / f"{label}{index}.png")
    cut(folder / "plain" / "plain1.png")
    result = command("map", run, folder, "--out", tmp_path / "maps")
    assert result.exit_code == 1
    assert "truncated" in result.output
    assert "mapped 3 scans" in result.output
    assert "truncated" in (tmp_path / "maps" / "failures.tsv").read_text()
    skipped = command("map", run, folder, "--out", tmp_path / "maps", "--skip-bad")
    assert skipped.exit_code == 0
    assert "truncated" in skipped.output


def test_shards_and_classes_are_checked(trained, tmp_path):
    cohort, run = trained
    out = ("--out", tmp_path / "maps")
    part = command("map", run, cohort, *out, "--shard", "2/5")
    assert "mapped 3 scans" in part.output
    few = command(
        "map", run, cohort, "--out", tmp_path / "few", "--subjects", "p1,p3", "--maps", "pattern",
        "--dtype", "float32", "--batch-size", "2", "--workers", "1", "--accelerator", "cpu",
    )  # fmt: skip
    assert "mapped 2 scans" in few.output
    names = [path.name.partition("desc-")[2] for path in (tmp_path / "few").glob("*/anat/*_desc-*")]
    assert sorted(names) == [
        *(["findings_dseg.json"] * 2 + ["findings_dseg.png"] * 2 + ["findings_dseg.tsv"] * 2),
        *(["overlay_statmap.png"] * 2 + ["pattern_statmap.npy"] * 2),
    ]
    for options, message in [
        (("--shard", "3"), "write it as 3/10"),
        (("--shard", "6/5"), "write 1/5 to 5/5"),
        (("--class", "none"), "choose one of bright, plain"),
        (("--suffix", "T1w"), "leave it out"),
        (("--maps", "evidence"), "always with pattern"),
        (("--split", "test"), "the table has no column split"),
        (("--subjects", "p1,nobody"), "no scan or participant nobody"),
    ]:
        result = command("map", run, cohort, *out, *options)
        assert result.exit_code == 1
        assert message in result.output
        assert "Traceback" not in result.output


def test_what_is_no_run_is_refused_in_one_line(trained, tmp_path):
    cohort, _ = trained
    result = command("map", cohort, cohort, "--out", tmp_path / "maps")
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert not (tmp_path / "maps").exists()


def test_a_file_says_whose_it_is(tmp_path):
    for name, scan, participant in [
        ("sub-07_ses-1_T1w.nii.gz", "sub-07_ses-1", "sub-07"),
        ("sub-07.nii.gz", "sub-07", "sub-07"),
        ("case 7.v2.png", None, "case 7.v2"),
    ]:
        (tmp_path / name).touch()
        (found,) = open_input(tmp_path / name).scans
        assert found.participant == participant
        assert scan is None or found.name == scan
        assert found.images == {"image": tmp_path / name}


def test_folders_without_labels_can_be_mapped(trained, tmp_path):
    cohort, run = trained
    for number in range(2):
        picture = open_cohort(cohort).scans[number].images["image"]
        (tmp_path / "flat").mkdir(exist_ok=True)
        (tmp_path / "flat" / f"sub-{number}_x.png").write_bytes(picture.read_bytes())
    result = command("map", run, tmp_path / "flat", "--out", tmp_path / "maps")
    assert result.exit_code == 0, result.output
    with (tmp_path / "maps" / "maps.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [(row["participant"], row["label"]) for row in rows] == [
        ("sub-0", "n/a"), ("sub-1", "n/a"),
    ]  # fmt: skip
    write_series(tmp_path / "p01" / "se 3")
    (scan,) = open_input(tmp_path / "p01").scans
    assert (scan.name, scan.images) == ("p01", {"image": tmp_path / "p01" / "se 3"})


def test_a_path_that_is_not_there_may_have_been_an_image(tmp_path):
    with pytest.raises(InputError, match=r"nowhere.png does not exist: give a cohort, an image"):
        open_input(tmp_path / "nowhere.png")


@pytest.mark.parametrize(
    ("channels", "column"), [(("image",), "image"), (("t1", "t2"), "image_t1")]
)
def test_the_column_that_is_missing_is_named_as_the_table_names_it(channels, column, tmp_path):
    scan = Scan("s1", "s1", {"flair": tmp_path / "1.png", "dwi": tmp_path / "2.png"})
    run = SimpleNamespace(channels=channels)
    with pytest.raises(InputError, match=f"give a table with a column {column}$"):
        with_channels_of(run, scan)


@pytest.mark.usefixtures("unchecked")
@pytest.mark.parametrize("distances", ["near", "none"])
def test_scans_unlike_those_of_the_training_are_told_at_the_end(trained, tmp_path, distances):
    cohort, run = trained[0], tmp_path / "run"
    shutil.copytree(trained[1], run)
    for fold, table in enumerate(run.glob("fold-*/distances.tsv")):
        if distances == "none":  # as in a run of an earlier version
            table.unlink()
        else:
            rows = (f"s{fold}-{number}\tg\t0.001\n" for number in range(10))
            table.write_text("".join(["scan\tgroup\tdistance\n", *rows]))
    result = command("map", run, cohort, "--out", tmp_path / "maps", "--subjects", "p0,p3")
    assert result.exit_code == 0, result.output
    with (tmp_path / "maps/maps.tsv").open(newline="") as file:
        found = [row["unlike_training"] for row in csv.DictReader(file, delimiter="\t")]
    warned = "warning  2 scans are unlike those that the network learnt from, do not trust the maps"
    assert found == (["True", "True"] if distances == "near" else ["n/a", "n/a"])
    assert (warned in result.output) == (distances == "near")
