"""Colours that only three channels show: kept in training, and read the same way for maps."""

import json

import numpy as np
import pytest
from picture_cohorts import write_table
from PIL import Image as Pillow
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort.opening import open_cohort
from hrcam.mapping import map_scans, open_input
from hrcam.training.cohort_training import train_cohort
from hrcam.training.config import Hardware, TrainingConfig

CPU = Hardware(accelerator="cpu", workers=1)
SMALL = TrainingConfig(folds=2, epochs=10, shape=(32, 32), batch_size=4, learning_rate=5e-3)


def write_colours(path, seed, red):
    """A disc that is redder or bluer than its grey surroundings, of the same luminance."""
    generator = np.random.default_rng(seed)
    pixels = np.repeat(generator.normal(120, 8, (32, 32, 1)), 3, axis=-1)
    top, left = generator.integers(3, 18, 2)
    sign = 1 if red else -1
    pixels[top : top + 11, left : left + 11] += np.array([60, 0, -60 * 0.299 / 0.114]) * sign
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def coloured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colours")
    rows = []
    for index in range(32):
        write_colours(folder / f"{index}.png", index, red=index % 2 == 1)
        label = "red" if index % 2 else "blue"
        rows.append({"participant_id": f"p{index}", "image": f"{index}.png", "label": label})
    cohort = open_cohort(write_table(folder, rows), colour="rgb")
    return folder, train_cohort(cohort, folder / "run", SMALL, hardware=CPU, progress=False)


def test_three_channels_are_learnt_from_and_kept_in_the_run(coloured):
    folder, report = coloured
    preparation = report.run.preparation
    assert (preparation.colour, preparation.channels, preparation.in_channels) == (
        "rgb", ("image",), 3,
    )  # fmt: skip
    assert report.metrics["network"]["pooled"]["auc"]["value"] > 0.9
    assert json.loads((folder / "run" / "preparation.json").read_text())["colour"] == "rgb"


def test_maps_read_colours_as_the_training_did(coloured):
    folder, report = coloured
    cohort = open_input(folder / "3.png")  # opened without a word of colours
    mapped = map_scans(report.run, cohort.scans, folder / "maps", progress=False)
    assert (mapped.done, mapped.failed) == (1, ())
    (record,) = folder.glob("maps/*/anat/*_statmap.json")
    assert json.loads(record.read_text())["PredictedClass"] == "red"


def test_the_check_shows_three_channels(coloured):
    folder, _ = coloured
    result = CliRunner().invoke(app, ["check", str(folder), "--colour", "rgb", "--workers", "1"])
    assert result.exit_code == 0, result.output
    for colour in ("red", "green", "blue"):
        assert f"intensities  image {colour}: " in result.output
    assert "colour" not in result.output.partition("accepted")[0]
