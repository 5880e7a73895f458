"""Extract what the documentation's tables show from the folder of a benchmark.

    python benchmarks/extract_results.py OUT NAME --command COMMAND --date DATE

Writes ``docs/results/NAME.csv``, in the columns of the benchmark's ``summary.csv``, and the JSON
beside it; then `result_tables.py` writes the tables. Unfinished units are left out.
"""

import argparse
import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pandas as pd
from result_tables import CNN, RESULTS

from hrcam.benchmark.layout import MANIFEST
from hrcam.benchmark.summary.cohort import CohortSummary, summarise_cohort
from hrcam.benchmark.summary.ranking import SUMMARY_COLUMNS, shown_settings, summary_table
from hrcam.benchmark.summary.results import finished_units, read_cohort
from hrcam.benchmark.variant import Stage

MEASURES = ("auprc", "pointing", "dice", "randomised_ssim", "repeatability", "maximum_in_nigra")
_DIGITS = 4


def extract(out: Path) -> tuple[pd.DataFrame, list[str]]:
    """Return the rows, and the titles of the cohorts that are finished."""
    summaries = [
        summarise_cohort(read_cohort(list(units)))
        for _, units in groupby(finished_units(out), key=lambda unit: unit.cohort)
    ]
    rows = pd.concat([part for one in summaries for part in (_maps(one), _predictions(one))])
    numbers = rows.select_dtypes("number").columns
    return rows.round(dict.fromkeys(numbers, _DIGITS)), [one.cohort.name for one in summaries]


def _maps(one: CohortSummary) -> pd.DataFrame:
    """Keep each method at the levels and fusions that are best at either stage."""
    kept = {
        setting.at(stage)
        for setting in shown_settings(one.scores.get("auprc", {}))
        for stage in Stage
    }
    # The best rival by the paired ratio need not have the largest mean.
    rivals = (one.rival(stage, fused=fused) for stage in Stage for fused in (False, True))
    kept |= {rival.variant for rival in rivals if rival}
    scores = {
        measure: {variant: each for variant, each in one.scores[measure].items() if variant in kept}
        for measure in MEASURES
        if measure in one.scores
    }
    return summary_table(one.cohort, scores)


def _predictions(one: CohortSummary) -> pd.DataFrame:
    rows: list[dict[str, Any]] = [
        {
            "cohort": one.cohort.name,
            "method": CNN,
            "level": "",
            "fusion": "",
            "stage": str(Stage.AS_READ),
            "measure": metric,
            "mean": scores.metrics[metric].value,
            "low": scores.metrics[metric].low,
            "high": scores.metrics[metric].high,
            "subjects": scores.images,
            "seeds": len(one.cohort.seeds),
            "source": "simulated" if one.cohort.simulated else "real",
        }
        for scores in one.predictors
        if scores.predictor == CNN
        for metric in ("accuracy", "auc")
    ]
    return pd.DataFrame(rows, columns=list(SUMMARY_COLUMNS))


def write(out: Path, path: Path, command: str, date: str) -> None:
    """Write the rows to a CSV, and the JSON beside it; titles that it has are kept."""
    rows, cohorts = extract(out)
    rows.to_csv(path, index=False)
    about_path = path.with_suffix(".json")
    before = json.loads(about_path.read_text("utf-8")) if about_path.exists() else {}
    manifest = json.loads((out / MANIFEST).read_text("utf-8"))
    about = {
        "title": before.get("title", path.stem),
        "cohorts": {name: before.get("cohorts", {}).get(name, name) for name in cohorts},
        "commands": [command],
        "seeds": sorted({int(seed) for seed in manifest["seeds"]}),
        "date": date,
        "versions": manifest["versions"],
    }
    about_path.write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", "utf-8")


def main() -> None:
    """Read the arguments and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("out", type=Path, help="folder of the benchmark")
    parser.add_argument("name", help="of the files in docs/results")
    parser.add_argument("--command", required=True, help="as a reader would give it")
    parser.add_argument("--date", required=True, help="when it was measured")
    arguments = parser.parse_args()
    path = RESULTS / f"{arguments.name}.csv"
    write(arguments.out, path, arguments.command, arguments.date)


if __name__ == "__main__":
    main()
