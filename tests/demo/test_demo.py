"""The demo from end to end, on a cohort too small to learn much from."""

import json

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from hrcam import HRCAM
from hrcam.demo import run_demo
from hrcam.networks import SmallCNN


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    return out, run_demo(out, subjects=60, epochs=1, seed=3, progress=False)


def test_demo_writes_everything(demo):
    out, _ = demo
    assert {path.name for path in out.iterdir()} == {
        "comparison.png", "explainer", "manifest.json", "network.safetensors", "report.html",
        "results.csv", "scores.png",
    }  # fmt: skip


def test_demo_table_holds_every_method_once_per_kind(demo):
    out, result = demo
    table = pd.read_csv(out / "results.csv")
    rows = list(zip(table["method"], table["stage"], strict=True))
    names = set(table["method"])
    # Each setting has both stages, side by side.
    assert rows == [(name, stage) for name in dict.fromkeys(table["method"])
                    for stage in ("as read", "refined")]  # fmt: skip
    assert {"HR-CAM (2019)", "HR-CAM evidence for the logits", "HR-CAM pattern"} <= names
    for method in ("CAM", "Grad-CAM", "Grad-CAM++", "LayerCAM", "HiResCAM", "XGrad-CAM"):
        assert any(name.startswith(f"{method},") for name in names)
    assert table.groupby("method", sort=False)["auprc"].max().is_monotonic_decreasing
    assert (table["images"] == len(result.indices)).all()
    assert ((table["auprc_low"] <= table["auprc"]) & (table["auprc"] <= table["auprc_high"])).all()


def test_demo_manifest_repeats_the_run(demo):
    out, result = demo
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["seed"] == manifest["cohort"]["seed"] == 3
    assert manifest["simulated"] is True
    assert manifest["accuracy"] == result.accuracy


def test_demo_network_and_explainer_load_again(demo):
    out, result = demo
    # The same layout as after training, since it decides how sums are rounded.
    network = SmallCNN(2, 1, 2).to(memory_format=torch.channels_last)
    network.load_state_dict(load_file(out / "network.safetensors"))
    explainer = HRCAM.load(out / "explainer", network.eval())
    images = torch.randn(2, 1, 128, 128, generator=torch.Generator().manual_seed(0))
    again, before = explainer.explain(images, 1), result.explainer.explain(images, 1)
    torch.testing.assert_close(again.pattern, before.pattern)
    torch.testing.assert_close(again.std, before.std)


def test_demo_report_says_what_was_measured_and_that_it_is_simulated(demo):
    out, result = demo
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "simulated" in page
    assert f"{result.accuracy:.1%}" in page
    assert "For research use" in page or "research use only" in page
    assert "https://" not in page
    assert 'src="data:image/png;base64,' in page
