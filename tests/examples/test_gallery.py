"""What the gallery says of its pictures, by value; `make docs` runs every example."""

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from hrcam import refine
from hrcam.evaluation.localisation import auprc

GALLERY = Path(__file__).parents[2] / "examples" / "gallery"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """Run an example and return its names."""

    def run(name: str) -> dict[str, Any]:
        monkeypatch.setattr(plt, "show", lambda: plt.close("all"))
        return runpy.run_path(str(GALLERY / f"{name}.py"))

    return run


def test_own_cnn_finds_lesions_with_the_pattern_and_adds_up_in_the_evidence(run):
    names = run("plot_1_own_cnn")
    assert names["accuracy"] >= 0.85
    assert names["hr"].fidelity > 0.99
    masks, found = names["masks"][160:], names["explanation"]
    lesions = np.flatnonzero(masks.any((1, 2)))
    pattern, evidence = (
        np.mean([auprc(values[i].numpy(), masks[i]) for i in lesions])
        for values in (found.pattern.abs(), found.evidence)
    )
    assert pattern > 0.75
    assert pattern > evidence + 0.2
    sums = found.evidence.mean((1, 2)) + found.bias
    np.testing.assert_allclose(sums, found.logits[:, 1], atol=1e-4)


def test_finer_maps_stay_closer_to_the_lesions(run):
    names = run("plot_4_rivals")
    every = names["scores"].items()
    scores = {name: np.mean(values) for (name, stage), values in every if stage == "as read"}
    assert [name for name, stage in names["scores"] if stage == "refined"] == list(scores)
    assert list(scores) == [
        "CAM",
        "Grad-CAM",
        "LayerCAM, finer level",
        "Eigen-CAM, all levels",
        "HR-CAM (2019)",
        "HR-CAM pattern",
    ]
    assert max(scores["CAM"], scores["Grad-CAM"]) + 0.15 < scores["LayerCAM, finer level"]
    assert scores["CAM"] == pytest.approx(scores["Grad-CAM"], abs=0.02)  # one linear layer
    assert scores["HR-CAM pattern"] > scores["LayerCAM, finer level"]
    assert names["hits"]["HR-CAM pattern", "as read"] > 0.9
    for name, values in names["refined"].items():
        expected = refine(names["maps"][name].clamp(min=0), names["test"])
        assert torch.equal(values, expected)
