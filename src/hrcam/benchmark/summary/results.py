"""Read the results of the finished units of a benchmark."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import numpy as np
import pandas as pd

from hrcam.artifacts.formats import read_versioned
from hrcam.benchmark.layout import (
    BENCHMARK_FORMAT,
    FINISHED,
    MEASUREMENTS,
    PREDICTIONS,
    SUBJECTS,
    UNITS,
)
from hrcam.benchmark.measurement import COLUMNS, as_table
from hrcam.benchmark.measures.repeatability import repeatability_over_seeds
from hrcam.benchmark.variant import Stage, Variant
from hrcam.errors import InputError, NewerFormatError

BETWEEN_SEEDS = -1
"""Value of the seed for comparisons between seeds."""

_PREDICTION = ("subject", "label", "predictor", "class")
_SOURCES = {"simulated": True, "real": False}
_TRUTH = {"True": True, "False": False}


@dataclass(frozen=True)
class FinishedUnit:
    """A finished unit: one cohort with one seed.

    Attributes
    ----------
    folder
        Folder of the unit.
    cohort
        Name of the cohort.
    simulated
        Whether its images are simulated.
    seed
        Random seed.
    versions
        Versions of software by name.
    """

    folder: Path
    cohort: str
    simulated: bool
    seed: int
    versions: Mapping[str, str]


@dataclass(frozen=True)
class CohortResults:
    """Results of one cohort with all seeds.

    Attributes
    ----------
    name
        Name of the cohort.
    simulated
        Whether its images are simulated.
    seeds
        Seeds in order.
    scores
        By measure: one row per seed (or `BETWEEN_SEEDS`) and subject, one column per `Variant`;
        NaN if not measured or undefined.
    predictions
        Columns seed, subject, label, predictor, class and probability.
    subjects
        By name: group (the unit of the bootstrap), label, has_mask, lesion_share and contrast.
    folders
        Folders of its units.
    """

    name: str
    simulated: bool
    seeds: tuple[int, ...]
    scores: Mapping[str, pd.DataFrame]
    predictions: pd.DataFrame
    subjects: pd.DataFrame
    folders: tuple[Path, ...]

    @property
    def title(self) -> str:
        """Name of the cohort, marked as simulated or real."""
        return f"{self.name} ({'simulated' if self.simulated else 'real'})"

    def groups_of(self, subjects: Iterable[str]) -> pd.Series:
        """Return the group of each subject; by default itself."""
        names = pd.Index(subjects)
        return self.subjects["group"].reindex(names).fillna(names.to_series())


def finished_units(out: Path) -> list[FinishedUnit]:
    """Find the finished units of a benchmark, ordered by cohort, simulated first.

    Raises
    ------
    InputError
        If there is none, one is invalid, or two are of the same cohort and seed.
    """
    units = [_read_unit(path) for path in sorted((out / UNITS).glob(f"*/{FINISHED}"))]
    if not units:
        raise InputError(f"{out} has no finished unit in {UNITS}: run the benchmark first")
    kinds: dict[str, bool] = {}
    for unit in units:
        if kinds.setdefault(unit.cohort, unit.simulated) != unit.simulated:
            raise InputError(
                f"{unit.folder}: its cohort is real with one seed, simulated with another"
            )
    if len({(unit.cohort, unit.seed) for unit in units}) < len(units):
        raise InputError(f"{out / UNITS}: two units are of the same cohort and seed: delete one")
    return sorted(units, key=lambda unit: (not unit.simulated, unit.cohort, unit.seed))


def read_cohort(units: Sequence[FinishedUnit]) -> CohortResults:
    """Read the results of all units of one cohort.

    Parameters
    ----------
    units
        Units, one per seed.

    Raises
    ------
    InputError
        If a file is missing or invalid.
    """
    scores: dict[str, list[pd.DataFrame]] = {}
    predictions, subjects = [], []
    for unit in units:
        for measure, wide in _by_measure(_read_measurements(unit.folder), unit.seed).items():
            scores.setdefault(measure, []).append(wide)
        table = _read_table(unit.folder / PREDICTIONS, _PREDICTION, ("probability",))
        table.insert(0, "seed", unit.seed)
        predictions.append(table)
        subjects.append(_read_subjects(unit.folder))
    folders = tuple(unit.folder for unit in units)
    if len(units) > 1:
        between = as_table(repeatability_over_seeds(folders))
        for measure, wide in _by_measure(between, BETWEEN_SEEDS).items():
            scores.setdefault(measure, []).append(wide)
    # An image may not be measured with every seed: use what is known.
    everybody = pd.concat(subjects).groupby(level="subject", sort=False)
    known = everybody.first().assign(has_mask=everybody["has_mask"].any())
    return CohortResults(
        name=units[0].cohort,
        simulated=units[0].simulated,
        seeds=tuple(unit.seed for unit in units),
        scores={measure: pd.concat(wide) for measure, wide in scores.items()},
        predictions=pd.concat(predictions, ignore_index=True),
        subjects=known,
        folders=folders,
    )


def copy_measurements(units: Sequence[FinishedUnit], stream: TextIO) -> None:
    """Concatenate the rows of all units unchanged, preceded by cohort and seed."""
    # As text, because there are millions of rows.
    stream.write(",".join(("cohort", "seed", *COLUMNS)) + "\n")
    for unit in units:
        front = io.StringIO()
        csv.writer(front, lineterminator=",").writerow((unit.cohort, unit.seed))
        with (unit.folder / MEASUREMENTS).open(encoding="utf-8") as source:
            next(source)
            begins = True
            for line in source:
                stream.write(front.getvalue() + line if begins else line)
                # A line break within quotes is part of a name.
                begins ^= line.count('"') % 2 == 1


def write_between_seeds(cohort: CohortResults, stream: TextIO) -> None:
    """Write comparisons between seeds as `copy_measurements` does, with an empty seed."""
    rows = csv.writer(stream, lineterminator="\n")
    for measure, table in cohort.scores.items():
        between = table[table.index.get_level_values("seed") == BETWEEN_SEEDS]
        for (_, subject), values in between.iterrows():
            for variant, value in values.dropna().items():
                key = (variant.method, variant.level, variant.fusion, variant.stage)
                rows.writerow((cohort.name, "", subject, *key, measure, value))


def _read_unit(path: Path) -> FinishedUnit:
    try:
        content = read_versioned(path, BENCHMARK_FORMAT)
        return FinishedUnit(
            folder=path.parent,
            cohort=str(content["cohort"]),
            simulated=_SOURCES[content["source"]],
            seed=int(content["seed"]),
            versions={str(name): str(each) for name, each in content["versions"].items()},
        )
    except NewerFormatError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} does not describe a unit ({error!r}): delete it and run the benchmark again"
        ) from error


def _read_measurements(folder: Path) -> pd.DataFrame:
    # As categories, because there are millions of rows and few names.
    table = _read_table(folder / MEASUREMENTS, COLUMNS[:-1], COLUMNS[-1:], "category")
    if infinite := int(np.isinf(table["value"]).sum()):
        raise InputError(
            f"{folder / MEASUREMENTS}: {infinite} values are infinite: delete {FINISHED} there "
            "and run the benchmark again"
        )
    if not table["stage"].isin(list(Stage)).all():
        raise InputError(
            f"{folder / MEASUREMENTS}: stage is neither {' nor '.join(map(repr, map(str, Stage)))} "
            "in some rows"
        )
    return table


def _read_subjects(folder: Path) -> pd.DataFrame:
    path = folder / SUBJECTS
    texts = ("subject", "group", "label", "has_mask")
    table = _read_table(path, texts, ("lesion_share", "contrast"))
    if not table["has_mask"].isin(list(_TRUTH)).all():
        raise InputError(f"{path}: has_mask is neither True nor False in some rows")
    table["has_mask"] = table["has_mask"].map(_TRUTH).astype(bool)
    return table.set_index("subject")


def _read_table(
    path: Path, texts: Sequence[str], numbers: Sequence[str], text_type: str = "str"
) -> pd.DataFrame:
    """Read a table, in which names such as "NA" are not missing values."""
    try:
        table = pd.read_csv(
            path,
            dtype={
                **dict.fromkeys(texts, text_type),
                **dict.fromkeys(numbers, np.float64),
            },
            keep_default_na=False,
            na_values={name: ["", "nan"] for name in numbers},
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} cannot be read ({error}): delete {FINISHED} beside it and run the benchmark "
            "again"
        ) from error
    if missing := [name for name in (*texts, *numbers) if name not in table]:
        raise InputError(
            f"{path} has no column {', '.join(missing)}: delete {FINISHED} beside it and run the "
            "benchmark again"
        )
    return table[[*texts, *numbers]]


def _by_measure(table: pd.DataFrame, seed: int) -> dict[str, pd.DataFrame]:
    """Pivot the rows of each measure to subjects by variants, in the order of the file."""
    keys = ["subject", "method", "level", "fusion", "stage"]
    found = {}
    for measure, rows in table.groupby("measure", observed=True, sort=False):
        # Average repeated measurements of a subject.
        values = rows.groupby(keys, observed=True, sort=False)["value"].mean()
        order = values.index.droplevel("subject").unique()
        wide = values.unstack(keys[1:]).reindex(columns=order)
        wide.columns = pd.Index([Variant.from_row(*map(str, key)) for key in order], dtype=object)
        wide.index = pd.MultiIndex.from_product(
            [[seed], wide.index.astype(object)], names=["seed", "subject"]
        )
        found[str(measure)] = wide
    return found
