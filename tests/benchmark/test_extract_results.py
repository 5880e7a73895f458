"""What the documentation's tables show, extracted from the folder of a benchmark."""

import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest
from unit_folders import FUSED, LAYERCAM, PAPER, PATTERN, REFINED, FakeUnit, write_unit

from hrcam.benchmark.summary.cohort import summarise_cohort
from hrcam.benchmark.summary.ranking import SUMMARY_COLUMNS
from hrcam.benchmark.summary.results import finished_units, read_cohort

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def write(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(BENCHMARKS), *sys.path])
    return runpy.run_path(str(BENCHMARKS / "extract_results.py"))["write"]


def benchmark(out):
    for seed in (0, 1):
        write_unit(out, FakeUnit(seed=seed))
    manifest = {"seeds": [0, 1], "versions": {"hrcam": "1.0"}}
    (out / "manifest.json").write_text(json.dumps(manifest))
    return summarise_cohort(read_cohort(finished_units(out)))


def rows_of(path, variant, measure):
    table = pd.read_csv(path, keep_default_na=False)
    key = [*vars(variant).values(), measure]
    return table[(table[["method", "level", "fusion", "stage", "measure"]] == key).all(axis=1)]


def test_the_numbers_are_those_of_the_summary(tmp_path, write):
    summary = benchmark(tmp_path)
    write(tmp_path, tmp_path / "quick.csv", "hrcam benchmark --out OUT", "2026-01-31")
    for variant in (PATTERN, REFINED, PAPER, LAYERCAM["blocks.0"], FUSED):
        score = summary.score("auprc", variant)
        (row,) = rows_of(tmp_path / "quick.csv", variant, "auprc").to_dict("records")
        assert list(row) == list(SUMMARY_COLUMNS)
        assert float(row["mean"]) == pytest.approx(score.mean, abs=5e-5)
        assert float(row["low"]) == pytest.approx(score.estimate.low, abs=5e-5)
        assert float(row["ratio_of_default"]) == pytest.approx(score.ratio.value, abs=5e-5)
    auc = next(one.metrics["auc"] for one in summary.predictors if one.predictor == "CNN")
    table = pd.read_csv(tmp_path / "quick.csv")
    (shown,) = table[(table["method"] == "CNN") & (table["measure"] == "auc")]["mean"]
    assert shown == pytest.approx(auc.value, abs=5e-5)


def test_a_rival_is_shown_at_its_best_level_alone(tmp_path, write):
    benchmark(tmp_path)
    write(tmp_path, tmp_path / "quick.csv", "hrcam benchmark --out OUT", "2026-01-31")
    assert rows_of(tmp_path / "quick.csv", LAYERCAM["blocks.1"], "auprc").empty


def test_it_is_written_down_how_it_was_made_and_titles_are_kept(tmp_path, write):
    benchmark(tmp_path)
    (tmp_path / "quick.json").write_text(
        json.dumps({"title": "Quick", "cohorts": {"lesions": "lesions, 24 slices"}})
    )
    write(tmp_path, tmp_path / "quick.csv", "hrcam benchmark --out OUT", "2026-01-31")
    assert json.loads((tmp_path / "quick.json").read_text()) == {
        "title": "Quick",
        "cohorts": {"lesions": "lesions, 24 slices"},
        "commands": ["hrcam benchmark --out OUT"],
        "seeds": [0, 1],
        "date": "2026-01-31",
        "versions": {"hrcam": "1.0"},
    }
