"""How high the maps of control images are, in the folder of a run."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from hrcam.artifacts.control_table import CONTROLS, ControlRow, encode_controls, read_controls
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.reading import read_scan
from hrcam.errors import InputError, LoadError
from hrcam.training import control_maps
from hrcam.training.cohort_training import train_cohort
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.run import Run

CONFIG = TrainingConfig(
    folds=2, epochs=4, shape=(32, 32), batch_size=4, learning_rate=5e-3, reference="plain"
)


def test_each_control_is_mapped_by_the_fold_that_did_not_see_it(bright_cohort, tmp_path):
    cohort = open_cohort(bright_cohort)
    hardware = Hardware(accelerator="cpu", workers=1)
    run = train_cohort(cohort, tmp_path / "run", CONFIG, hardware=hardware, progress=False).run
    scans = {scan.name: scan for scan in cohort.scans}
    plain = [name for name, scan in scans.items() if scan.label == "plain"]
    assert sorted(row.scan for row in run.controls) == sorted(plain)
    assert {row.map_class for row in run.controls} == {"bright"}
    predicted = pd.read_csv(tmp_path / "run/predictions.tsv", sep="\t").set_index("scan")
    hashes = {row.scan: row.voxel_hash for row in run.splits}
    for row in (run.controls[0], run.controls[-1]):
        known = predicted.loc[row.scan]
        assert row.probability == pytest.approx(known["probability_bright"], abs=1e-5)
        image = torch.from_numpy(run.preparation.apply(read_scan(scans[row.scan])).voxels)[None]
        place = run.classes.index("bright")
        pattern = run.explainer(int(known["fold"])).explain(image, place).pattern
        assert row.peak == pytest.approx(float(pattern.abs().max()), rel=1e-4)
        others = run.controls_for(scans[row.scan], hashes[row.scan], "bright")
        assert sorted([*others.scores, row.score]) == sorted(each.score for each in run.controls)
    somebody = dataclasses.replace(scans[plain[0]], participant="new")
    assert len(run.controls_for(somebody, "unknown", "bright").scores) == len(plain)
    assert run.controls_for(somebody, "unknown", "plain") is None
    path = tmp_path / "run/fold-1" / CONTROLS
    path.write_text(path.read_text().replace("bright\t", "bright\tno", 1))
    with pytest.raises(LoadError, match="no number"):
        Run.open(tmp_path / "run")


def test_of_many_controls_some_are_drawn(monkeypatch):
    monkeypatch.setattr(control_maps, "MOST", 3)
    labels = np.array([0, 0, 1, 0, 0, 0])
    test = np.array([0, 1, 2, 3, 5])
    drawn = control_maps.controls_among(test, labels, 0, seed=1)
    assert len(set(drawn.tolist())) == 3
    assert set(drawn.tolist()) <= {0, 1, 3, 5}
    assert (control_maps.controls_among(test, labels, 0, seed=1) == drawn).all()
    assert control_maps.controls_among(test, labels, 1, seed=1).tolist() == [2]


def test_tables_are_read_as_they_were_written(tmp_path):
    row = ControlRow("sub-01", "p1", "lesion", 0.25, 2.5)
    (tmp_path / CONTROLS).write_bytes(encode_controls([row]))
    assert read_controls([tmp_path / CONTROLS, tmp_path / "none.tsv"]) == (row,)
    assert row.score == 0.625
    (tmp_path / CONTROLS).write_bytes(encode_controls([dataclasses.replace(row, peak=np.inf)]))
    with pytest.raises(InputError, match="not finite"):
        read_controls([tmp_path / CONTROLS])
