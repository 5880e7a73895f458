"""Write the tables of the documentation from the measurements in ``docs/results``.

    python benchmarks/result_tables.py

A table stands in its page between the comments ``<!-- table: NAME -->`` and ``<!-- end -->``, and
is replaced. ``docs/results`` has one CSV for each set of measurements and, beside it, a JSON with
the command, seeds, date and versions; `extract_results.py` writes both from a benchmark's folder.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from hrcam.benchmark.summary.goals import BEST_RIVALS, RATIO
from hrcam.benchmark.summary.ranking import DEFAULT, UPPER_BOUND, is_hrcam, is_rival
from hrcam.benchmark.variant import EVIDENCE, PAPER, PATTERN, Stage, Variant
from hrcam.evaluation.model_free_maps import MODEL_FREE_MAPS

DOCS = Path(__file__).parents[1] / "docs"
RESULTS = DOCS / "results"

MISSING = "–"
CNN = "CNN"
_SETS = ("full", "quick", "real", "aside")
_EXPERIMENTS = ("lesions", "lesions-3d", "tumours", "neuromelanin", "neuromelanin-large")
# Names in files without a column "stage": there HR-CAM's pattern is refined, all else as read.
_EARLIER_NAMES = {"HR-CAM evidence": EVIDENCE, "HR-CAM evidence, labels": PAPER}
_OURS = (PATTERN, PAPER, EVIDENCE)
_STAGE_NAMES = (PAPER, PATTERN, "best rival", "HR-CAM pattern / it")
_HRCAM_COST = "hrcam, evidence and pattern, all levels"


@dataclass(frozen=True)
class Number:
    """A value with the ends of its interval, as far as they are known."""

    value: float
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        """Write it with two decimals: "0.73 (.71–.75)"."""
        if self.low is None or self.high is None:
            return f"{self.value:.2f}"
        low, high = (f"{end:.2f}".removeprefix("0") for end in (self.low, self.high))
        return f"{self.value:.2f} ({low}–{high})"


@dataclass(frozen=True)
class Score:
    """One measure of one map: its mean, and the ratio of HR-CAM's pattern at the same stage."""

    variant: Variant
    mean: Number | None
    ratio: Number | None


class Measurements:
    """One set of measurements: its rows, and what its JSON says of them."""

    def __init__(self, name: str) -> None:
        self.about: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
        self._rows = _with_stages(_table(name))

    @property
    def cohorts(self) -> dict[str, str]:
        """Title of each cohort, by its name."""
        return dict(self.about["cohorts"])

    def scores(self, cohort: str, measure: str) -> list[Score]:
        """Return a measure of every map of a cohort, in the order of the file."""
        rows = self._rows[(self._rows["cohort"] == cohort) & (self._rows["measure"] == measure)]
        return [
            Score(
                Variant.from_row(row["method"], row["level"], row["fusion"], row["stage"]),
                _number(row, "mean", "low", "high"),
                _number(row, "ratio_of_default", "ratio_low", "ratio_high"),
            )
            for row in rows.to_dict("records")
        ]

    def score(self, cohort: str, measure: str, variant: Variant = DEFAULT) -> Score | None:
        """Return a measure of one map, or None where it was not measured."""
        return next((s for s in self.scores(cohort, measure) if s.variant == variant), None)

    def best_rival(self, cohort: str, stage: Stage) -> Score | None:
        """Return the rival closest to HR-CAM's pattern, or furthest ahead, by the paired ratio."""
        rivals = [
            score
            for score in self.scores(cohort, "auprc")
            if is_rival(score.variant) and score.variant.stage == stage
        ]
        return min(rivals, key=_closeness, default=None)


def tables() -> dict[str, str]:
    """Return every table as Markdown, by its name."""
    full = Measurements("full")
    return {
        "localisation": localisation_table(),
        "stages": stages_table(),
        "settings": settings_table(),
        "findings": findings_table(),
        "prediction": prediction_table(),
        "cost": cost_table(),
        "goals": goals_table(),
        "sources": sources_list(),
        "ablation": ablation_table(),
        "architectures": architectures_table(),
        "architectures by package": architectures_summary(),
        **{f"maps of {name}": maps_table(full, name) for name in _EXPERIMENTS},
    }


def fill(text: str, written: dict[str, str]) -> str:
    """Return a page with its tables replaced."""
    return re.sub(
        r"(?<=<!-- table: )([\w -]+?)( -->\n).*?(?=<!-- end -->)",
        lambda found: f"{found[1]}{found[2]}\n{written[found[1]]}\n\n",
        text,
        flags=re.DOTALL,
    )


def localisation_table() -> str:
    """Write the AUPRC of HR-CAM and the best rival at each stage, and of the U-Net, by cohort."""
    headers = ("HR-CAM", "HR-CAM (2019)", "best rival", "HR-CAM / it")
    columns = [f"{each}, {stage}" for stage in Stage for each in headers]

    def cells(measured: Measurements, cohort: str, stage: Stage) -> Iterator[str]:
        rival = measured.best_rival(cohort, stage)
        yield _mean(measured.score(cohort, "auprc", DEFAULT.at(stage)))
        yield _mean(measured.score(cohort, "auprc", Variant(PAPER, stage=stage)))
        yield _named(rival)
        yield _ratio(rival)

    def rows() -> Iterator[Sequence[str]]:
        for measured in map(Measurements, _SETS):
            yield (f"**{measured.about['title']}**", *[""] * (len(columns) + 1))
            for cohort, title in measured.cohorts.items():
                auc = measured.score(cohort, "auc", Variant(CNN))
                yield (
                    f"{title} ({auc.mean.value:.2f})" if auc and auc.mean else title,
                    *(cell for stage in Stage for cell in cells(measured, cohort, stage)),
                    _mean(measured.score(cohort, "auprc", UPPER_BOUND)),
                )

    return _markdown(("cohort (AUC of the CNN)", *columns, "U-Net"), rows())


def maps_table(measured: Measurements, cohort: str) -> str:
    """Write the maps of one cohort: HR-CAM's, the best of each rival, the U-Net, no model.

    A row is one setting; there are two of a method if another one is best when refined.
    """
    best: dict[tuple[str, Stage], Variant] = {}
    for score in sorted(measured.scores(cohort, "auprc"), key=_value, reverse=True):
        variant = score.variant
        kind = "no model" if variant.method in MODEL_FREE_MAPS else variant.method
        if kind == "no model" or is_rival(variant) or is_hrcam(variant) or _is_unet(variant):
            best.setdefault((kind, variant.stage), variant)

    def cells(variant: Variant) -> Iterator[str]:
        score = measured.score(cohort, "auprc", variant)
        yield _mean(score)
        yield _mean(measured.score(cohort, "pointing", variant))
        yield MISSING if variant.method == PATTERN else _ratio(score)

    rows = [
        (
            setting.setting + (" (no model)" if setting.method in MODEL_FREE_MAPS else ""),
            *(cell for stage in Stage for cell in cells(setting.at(stage))),
        )
        for setting in dict.fromkeys(each.at(Stage.AS_READ) for each in best.values())
    ]
    headers = ("AUPRC", "pointing", "HR-CAM / it")
    columns = [f"{each}, {stage}" for stage in Stage for each in headers]
    return _markdown(("map of the true class", *columns), rows)


def stages_table() -> str:
    """Write HR-CAM's pattern and its best rival, as read and refined alike, on each network."""
    table = _table("stages")
    rows = []
    for network, of_network in table.groupby("network", sort=False):
        cells = []
        for stage in Stage:
            of_stage = of_network[of_network["stage"] == stage].set_index("method")
            best = of_stage.drop(index=list(_OURS)).astype({"auprc": float})
            best = best.iloc[best["auprc"].argmax()]
            rival = Variant(best.name, best["level"], best["fusion"])
            cells += [
                f"{float(of_stage.loc[PAPER, 'auprc']):.2f}",
                f"{float(of_stage.loc[PATTERN, 'auprc']):.2f}",
                f"{best['auprc']:.2f} {rival.setting}",
                str(Number(*(float(best[name]) for name in ("ratio", "low", "high")))),
            ]
        rows.append((str(network), *cells))
    return _markdown(
        ("network", *(f"{name}, {one}" for one in Stage for name in _STAGE_NAMES)), rows
    )


def findings_table() -> str:
    """Write how findings score on each cohort, and what other rules would."""
    table = _table("findings")
    titles = json.loads((RESULTS / "findings.json").read_text("utf-8"))["cohorts"]
    rows = []
    for cohort, of_cohort in table.groupby("cohort", sort=False):
        by_rule = of_cohort.set_index(of_cohort["rule"].str.partition(",")[0])
        found = by_rule.loc["findings"]
        controls = MISSING
        if found["controls"] != "0":
            controls = f"{found['controls_with_finding']} of {found['controls']}"
        others = by_rule.loc["other cohorts' share"]
        share = others["rule"].rpartition(" ")[2]
        rows.append(
            (
                titles[str(cohort)],
                str(_with_ends(found, "dice")),
                str(_with_ends(found, "sensitivity")),
                f"{float(found['false_positives']):.2f}",
                f"{found['without_finding']} of {found['images']}",
                controls,
                *(
                    f"{float(by_rule.loc[rule, 'dice']):.2f}"
                    for rule in ("map alone", "no controls")
                ),
                f"{float(others['dice']):.2f} ({share})",
                f"{float(by_rule.loc['best threshold', 'dice']):.2f}",
            )
        )
    return _markdown(
        (
            *("cohort", "Dice", "lesions found", "false positives of an image"),
            *("diseased without a finding", "controls with a finding"),
            *("Dice: compared by the map alone", "compared with nothing"),
            *("with the share of other cohorts", "best threshold of each image, by its mask"),
        ),
        rows,
    )


def prediction_table() -> str:
    """Write how well each predictor does on each cohort, and how far `hrcam train` is ahead."""
    about = json.loads((RESULTS / "prediction.json").read_text("utf-8"))
    rows = [
        (
            about["cohorts"][row["cohort"]],
            about["predictors"][row["predictor"]],
            str(_with_ends(row, "auc")),
            *(f"{float(row[name]):.2f}" for name in ("accuracy", "calibration_error")),
            str(_with_ends(row, "difference")) if row["difference"] else MISSING,
            "< 1" if float(row["minutes"]) < 1 else f"{float(row['minutes']):.0f}",
        )
        for _, row in _table("prediction").iterrows()
    ]
    return _markdown(
        (
            *("cohort", "predictor", "AUC", "accuracy", "calibration error"),
            *("AUC of `hrcam train` minus this AUC", "minutes"),
        ),
        rows,
    )


def _with_ends(row: "pd.Series[str]", name: str) -> Number:
    """Return a score with its interval, if it has one."""
    ends = [
        float(row[f"{name}_{end}"]) if row[f"{name}_{end}"] else None for end in ("low", "high")
    ]
    return Number(float(row[name]), *ends)


def settings_table() -> str:
    """Write the mean ratio of HR-CAM's pattern to its rivals over all networks."""
    table = _table("stages").astype({"ratio": float})
    networks = table["network"].nunique()
    rows = []
    for stage in Stage:
        rivals = table[(table["stage"] == stage) & ~table["method"].isin(_OURS)]
        closest = rivals.groupby("network")["ratio"].min()
        same = rivals[(rivals["fusion"] != "") | (rivals["level"] == "all levels")]
        by_setting = same.groupby(["method", "level", "fusion"])["ratio"]
        means = by_setting.apply(_geometric_mean)[by_setting.count() == networks]
        strongest = means.idxmin()
        for name, ratios in (
            ("the best rival of each network", closest),
            (Variant(*strongest).setting, by_setting.get_group(strongest)),
        ):
            ahead = f"{(ratios >= 1).sum()} of {networks}"
            rows.append(
                (
                    f"{name}, {stage}",
                    f"{_geometric_mean(ratios):.2f}",
                    f"{ratios.min():.2f}",
                    ahead,
                )
            )
    return _markdown(("HR-CAM's pattern / it", "geometric mean", "lowest", "at least 1"), rows)


def _geometric_mean(values: "pd.Series[float]") -> float:
    return float(np.exp(np.log(values).mean()))


def cost_table() -> str:
    """Write time and memory of a map as ratios to the plain forward pass."""
    table = _table("cost")
    table = table[~table["what"].str.startswith("fit")]
    cases = list(dict.fromkeys(table["case"]))

    def cell(row: dict[str, str]) -> str:
        if row["seconds"]:
            return f"{row['seconds']} s, {row['mib']} MiB"
        return " / ".join(filter(None, (row["time"], row["memory"])))

    rows = []
    for (what, device), of_what in table.groupby(["what", "device"], sort=False):
        by_case = {row["case"]: cell(row) for row in of_what.to_dict("records")}
        name = what if device == "CPU" else f"the same on an {device}"
        rows.append((name, *(by_case.get(case, MISSING) for case in cases)))
    return _markdown(("time / memory", *cases), rows)


def goals_table() -> str:
    """Write each goal that was missed somewhere: where, and on how many cohorts it was reached."""
    measured = [(each, cohort) for each in map(Measurements, _SETS) for cohort in each.cohorts]

    def row(
        aim: str,
        number: Callable[[Measurements, str], Number | None],
        reached: Callable[[Number], bool],
    ) -> Sequence[str]:
        found = [(s, c, value) for s, c in measured if (value := number(s, c))]
        missed = [
            f"{s.cohorts[c]} {value.value:.2f}" for s, c, value in found if not reached(value)
        ]
        return aim, f"{len(found) - len(missed)} of {len(found)}", "; ".join(missed) or MISSING

    def rival(stage: Stage) -> Callable[[Measurements, str], Number | None]:
        def number(s: Measurements, cohort: str) -> Number | None:
            score = s.best_rival(cohort, stage)
            return score.ratio if score else None

        return number

    def ceiling(stage: Stage) -> Callable[[Measurements, str], Number | None]:
        def number(s: Measurements, cohort: str) -> Number | None:
            score = s.score(cohort, "auprc", UPPER_BOUND.at(stage))
            return score.ratio if score else None

        return number

    def of(
        measure: str, stage: Stage, name: str = ""
    ) -> Callable[[Measurements, str], Number | None]:
        def number(s: Measurements, cohort: str) -> Number | None:
            score = s.score(cohort, measure, DEFAULT.at(stage))
            return score.mean if score and cohort.startswith(name) else None

        return number

    def at_least(target: float) -> Callable[[Number], bool]:
        return lambda number: number.value >= target

    refined = Stage.REFINED
    rows = [
        *(
            row(
                f"AUPRC / the best rival at its best level or fusion ≥ {RATIO}, {stage}",
                rival(stage),
                at_least(RATIO),
            )
            for stage in Stage
        ),
        *(_mean_goal(stage, [rival(stage)(*each) for each in measured]) for stage in Stage),
        row("simulated lesions: AUPRC ≥ 0.81", of("auprc", refined, "lesions"), at_least(0.81)),
        row(
            "simulated lesions: pointing ≥ 0.97", of("pointing", refined, "lesions"), at_least(0.97)
        ),
        row("ultrasound: AUPRC ≥ 0.75", of("auprc", refined, "ultrasound"), at_least(0.75)),
        row("ultrasound: pointing ≥ 0.85", of("pointing", refined, "ultrasound"), at_least(0.85)),
        *(
            row(f"AUPRC ≥ 0.8 × that of the U-Net, {stage}", ceiling(stage), at_least(0.8))
            for stage in Stage
        ),
        row(
            "all weights random: SSIM with the map < 0.3, as read",
            of("randomised_ssim", Stage.AS_READ),
            lambda number: number.value < 0.3,
        ),
        *(
            row(
                f"rank correlation of two seeds' maps ≥ 0.7, {stage}",
                of("repeatability", stage),
                at_least(0.7),
            )
            for stage in Stage
        ),
        row(
            "neuromelanin: maximum in the nigra in ≥ 0.9 of the correctly classified patients",
            of("maximum_in_nigra", refined),
            at_least(0.9),
        ),
        _time_goal(),
    ]
    return _markdown(
        ("goal", "reached on", "missed on"), [row for row in rows if row[2] != MISSING]
    )


def sources_list() -> str:
    """Write which command each set of measurements came from."""
    lines = []
    for name in (*_SETS, "stages", "findings", "prediction", "cost"):
        about = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
        commands = "; ".join(f"`{each}`" for each in about["commands"])
        links = f"[{name}](results/{name}.csv), [how](results/{name}.json)"
        lines.append(f"- {links}: {commands or 'no command'}; {about.get('date', 'undated')}")
    return "\n".join(lines)


def ablation_table() -> str:
    """Write what each choice of the rule changes."""
    table = _table("ablation")
    cohorts = list(dict.fromkeys(table["cohort"]))
    rows = []
    for name, of_map in table.groupby("map", sort=False):
        cells = {r["cohort"]: f"{r['auprc']}, {r['pointing']}" for r in of_map.to_dict("records")}
        rows.append((str(name), *(cells.get(cohort, MISSING) for cohort in cohorts)))
    return _markdown(("map", *cohorts), rows)


def architectures_table() -> str:
    """Write what was read of each network."""
    rows = []
    for row in _table("architectures").to_dict("records"):
        reason = row["note"].replace("|", "/").replace("_", "\\_").replace("*", "\\*")
        numbers = (row["strides"], row["identity"], row["places"], row["explain"], row["find"])
        verdict = f"{row['verdict']}: {reason}" if reason else row["verdict"]
        rows.append(
            (
                row["family"],
                row["network"],
                row["size"],
                *(one or MISSING for one in numbers),
                verdict,
            )
        )
    headers = (
        "family",
        "network",
        "image",
        "strides",
        "identity",
        "places",
        "explain",
        "levels",
        "",
    )
    return _markdown(headers, rows)


def architectures_summary() -> str:
    """Count the networks of each package by how they were read."""
    table = _table("architectures")
    verdicts = ("right", "refused", "wrong", "failed", "not built", "not measured")
    rows = [
        (package, str(len(rows)), *(str((rows["verdict"] == one).sum()) for one in verdicts))
        for package, rows in table.groupby("package", sort=False)
    ]
    return _markdown(("package", "networks", *verdicts), rows)


def main() -> None:
    """Write the tables into every page that has a place for one."""
    written = tables()
    for page in DOCS.rglob("*.md"):
        text = page.read_text("utf-8")
        if (filled := fill(text, written)) != text:
            page.write_text(filled, "utf-8")
            print(page.relative_to(DOCS.parent))


def _time_goal() -> Sequence[str]:
    rows = _table("cost")
    ours = rows[(rows["what"] == _HRCAM_COST) & (rows["device"] == "CPU")].to_dict("records")
    missed = [
        f"{row['case']} {row['time']}"
        for row in ours
        if float(row["time"]) > (1.25 if row["case"].startswith("3D") else 1.15)
    ]
    aim = "time of `explain` ≤ 1.15 × the plain forward pass, 1.25 × in 3D"
    return aim, f"{len(ours) - len(missed)} of {len(ours)}", "; ".join(missed) or MISSING


def _mean_goal(stage: Stage, ratios: Sequence[Number | None]) -> Sequence[str]:
    """Return the row of the goal for the geometric mean over all cohorts with a ratio."""
    known = [ratio.value for ratio in ratios if ratio]
    target = BEST_RIVALS[stage]
    mean = float(np.exp(np.mean(np.log(known)))) if known else target
    aim = f"geometric mean over cohorts of AUPRC / the best rival ≥ {target}, {stage}"
    return aim, f"{int(mean >= target)} of 1", MISSING if mean >= target else f"{mean:.2f}"


def _with_stages(rows: pd.DataFrame) -> pd.DataFrame:
    """Add the stages of maps to a table from before it had them.

    Ratios there compare HR-CAM's refined pattern with maps as read, and are left out.
    """
    if "stage" in rows:
        return rows
    rows = rows.assign(method=rows["method"].replace(_EARLIER_NAMES))
    # Maps of heads that are no longer measured.
    known = rows["method"].isin([PATTERN, PAPER, EVIDENCE])
    rows = rows[known | ~rows["method"].str.startswith("HR-CAM")]
    refined = rows["method"] == PATTERN
    ratios = ["ratio_of_default", "ratio_low", "ratio_high"]
    return rows.assign(
        stage=np.where(refined, str(Stage.REFINED), str(Stage.AS_READ)),
        **{name: rows[name].where(refined, "") for name in ratios},
    )


def _is_unet(variant: Variant) -> bool:
    return variant.method == UPPER_BOUND.method


def _table(name: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / f"{name}.csv", dtype=str, keep_default_na=False)


def _number(row: dict[Any, str], value: str, low: str, high: str) -> Number | None:
    if not row[value]:
        return None
    ends = [float(row[end]) if row[end] else None for end in (low, high)]
    return Number(float(row[value]), *ends)


def _value(score: Score) -> float:
    return score.mean.value if score.mean else float("-inf")


def _closeness(score: Score) -> tuple[bool, float]:
    """Order by the ratio; those without one come last, the best first."""
    return (score.ratio is None, score.ratio.value if score.ratio else -_value(score))


def _mean(score: Score | None) -> str:
    return str(score.mean) if score and score.mean else MISSING


def _ratio(score: Score | None) -> str:
    return str(score.ratio) if score and score.ratio else MISSING


def _named(score: Score | None) -> str:
    if score is None or score.mean is None:
        return MISSING
    where = score.variant.fusion or score.variant.level
    return f"{score.mean} {score.variant.method} {where}".rstrip()


def _markdown(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headers, ["---"] * len(headers), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    main()
