"""What a record says of who predicted, and of what the training warned."""

import json
import logging

import numpy as np
import pytest
import torch
from small_runs import SmallRun, preparation, write_pictures

from hrcam.artifacts.manifest import fit_warnings, run_identity, warning_lines
from hrcam.cohort.reading import read_scan
from hrcam.mapping import map_scans

WARNINGS = (("R² is low", "no class b"), (), ("no class b", "no class b"))


def records(folder):
    found = [
        json.loads(path.read_bytes()) for path in sorted(folder.glob("sub-*/anat/*_statmap.json"))
    ]
    return {record["Scan"]: record for record in found}


@pytest.mark.filterwarnings("ignore::hrcam.errors.HRCAMWarning")  # noise cannot be learnt
@pytest.mark.parametrize("head", ["logits", "labels"])
def test_the_predictor_is_the_one_whose_probabilities_are_written(tmp_path, head):
    run = SmallRun(preparation((24, 32)), head=head)
    scans = write_pictures(tmp_path / "images", 3)
    map_scans(run, scans, tmp_path / "maps")
    explainer = run.explainer(1)
    for scan in scans:
        record = records(tmp_path / "maps")[scan.name]
        voxels = torch.from_numpy(run.preparation.apply(read_scan(scan)).voxels)[None]
        with torch.no_grad():
            network = explainer.model(voxels)[0]
        logits = {"logits": network, "labels": explainer.explain(voxels).logits[0]}[head]
        assert record["Predictor"] == {"logits": "network", "labels": "HR-CAM head"}[head]
        probabilities = list(record["Probabilities"].values())
        np.testing.assert_allclose(probabilities, logits.softmax(0), rtol=1e-5)
        assert record["PredictedClass"] == run.classes[int(logits.argmax())]


def test_a_record_has_the_warnings_of_the_folds_that_made_it(tmp_path, caplog):
    caplog.set_level(logging.INFO, "hrcam")
    run = SmallRun(preparation((24, 32)), folds=3, warnings=WARNINGS, seen={"p1": (1,), "p2": (2,)})
    map_scans(run, write_pictures(tmp_path / "images", 3), tmp_path / "maps")
    assert {scan: record["Warnings"] for scan, record in records(tmp_path / "maps").items()} == {
        "sub-01": ["R² is low", "no class b"],
        "sub-02": [],
        "sub-03": ["R² is low", "no class b"],
    }
    told = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in told] == [
        "warning of the training: fold 1: R² is low",
        "warning of the training: fold 1, 3: no class b",
    ]


def test_warnings_of_a_manifest():
    manifest = {"fold_details": [{"warnings": list(texts)} for texts in WARNINGS]}
    assert fit_warnings(manifest) == {"R² is low": (1,), "no class b": (1, 3)}
    assert fit_warnings(manifest, (2, 3)) == {"no class b": (3,)}
    assert warning_lines({"fold_details": [{"warnings": ["x"]}]}) == ("x",)
    for older in ({}, {"fold_details": [{"fidelity": 1.0}]}):
        assert warning_lines(older) == ()


def test_the_identity_of_a_run_is_in_its_records(tmp_path, picture_run):
    map_scans(picture_run, write_pictures(tmp_path / "images", 1), tmp_path / "maps")
    identity = run_identity(picture_run.manifest)
    assert records(tmp_path / "maps")["sub-01"]["Run"] == identity
    assert identity["Seed"] == 0
    turned = dict(reversed(picture_run.manifest.items()))
    assert run_identity(json.loads(json.dumps(turned))) == identity
    assert run_identity(picture_run.manifest | {"seconds": 3.5}) != identity
