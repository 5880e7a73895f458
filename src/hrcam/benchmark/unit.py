"""A unit of a benchmark, one cohort with one seed: train, map, measure; restartable."""

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.claim import changes
from hrcam.artifacts.formats import FORMAT, encode_json, read_versioned
from hrcam.artifacts.manifest import versions_of
from hrcam.benchmark.cohorts import OpenedCohort
from hrcam.benchmark.images.measured import check_masks, choose_images, subjects_table
from hrcam.benchmark.layout import (
    BENCHMARK_FORMAT,
    FINISHED,
    MEASUREMENTS,
    PREDICTIONS,
    SUBJECTS,
    UNITS,
)
from hrcam.benchmark.unit_parts import PARTS, UnitParts, seconds_by_part, timed
from hrcam.benchmark.unit_runs import UnitRuns, train_runs
from hrcam.errors import InputError, NewerFormatError
from hrcam.training import Hardware, Run

logger = logging.getLogger(__name__)

LIBRARIES = ("hrcam", "torch", "monai", "lightning", "scikit-learn", "numpy", "scipy", "captum")


def unit_folder(out: Path, cohort: str, seed: int) -> Path:
    """Return the folder of a unit."""
    return out / UNITS / f"{cohort}-seed-{seed}"


def is_finished(opened: OpenedCohort, seed: int, folder: Path) -> bool:
    """Return whether a unit is finished.

    Raises
    ------
    InputError
        If it is finished for another cohort or with other options.
    """
    finished = (folder / FINISHED).is_file()
    if finished:
        _check_same(folder / FINISHED, _identity(opened, seed))
    return finished


def measure_unit(
    opened: OpenedCohort,
    seed: int,
    folder: Path,
    *,
    hardware: Hardware,
    skip_bad: bool = False,
    progress: bool = True,
) -> None:
    """Train on a cohort with a seed, and measure every method on unseen images.

    If interrupted or killed, repeat the call to resume: trainings from their last epoch,
    measurements after the last finished part.

    Parameters
    ----------
    opened
        The cohort.
    seed
        Random seed.
    folder
        Output folder, with the trainings, ``measurements.csv``, ``predictions.csv``,
        ``subjects.csv``, ``maps.npz``, ``examples.png`` and, last, ``unit.json``.
    hardware, skip_bad, progress
        As for `hrcam.training.train_cohort`.

    Raises
    ------
    RefusedScansError
        If the checks refuse scans, unless ``skip_bad``.
    InputError
        If the cohort cannot be trained on, or too few unseen images have a mask.
    TrainingError
        If a loss is infinite or NaN.
    """
    check_masks(opened)
    begun = folder / PARTS / FINISHED
    if begun.is_file():
        _check_same(begun, _identity(opened, seed))
    else:
        identity = _identity(opened, seed)
        write_atomically(begun, encode_json({FORMAT: BENCHMARK_FORMAT, **identity}))
    with timed(folder, "training"):
        config = opened.plan.training.model_copy(update={"seed": seed})
        runs = train_runs(
            opened.cohort,
            folder,
            config,
            hardware=hardware,
            skip_bad=skip_bad,
            progress=progress,
        )
    usable = _accepted(opened, runs.logits)
    measured = choose_images(usable, runs, hardware.device)
    parts = UnitParts(usable, runs, measured, seed, folder, hardware, progress)
    table = parts.measure()
    tested = {one.scan for one in runs.logits.predictions}
    scans = [scan for scan in usable.cohort.scans if scan.name in tested]
    write_atomically(folder / MEASUREMENTS, _csv(table))
    write_atomically(folder / PREDICTIONS, _csv(_predictions(runs)))
    write_atomically(folder / SUBJECTS, _csv(subjects_table(scans, measured)))
    seconds = seconds_by_part(folder)
    finished = {
        FORMAT: BENCHMARK_FORMAT,
        **_identity(opened, seed),
        "images": {
            "lesions": sum(len(images.scans) for images in measured.lesions),
            "lesion_free": sum(len(images.scans) for images in measured.lesion_free),
        },
        "versions": versions_of(*LIBRARIES),
        "seconds": round(sum(seconds.values()), 1),
        "seconds_by_part": seconds,
    }
    write_atomically(folder / FINISHED, encode_json(finished))
    logger.info("measured in %.0f seconds", finished["seconds"])


def _identity(opened: OpenedCohort, seed: int) -> dict[str, Any]:
    """Return the options that determine a unit's results, apart from versions."""
    plan = opened.plan
    return {
        "cohort": plan.name,
        "source": opened.kind,
        "seed": seed,
        "training": plan.training.model_dump(mode="json", exclude={"head", "seed"}),
        "cross_validated": plan.cross_validated,
        "effort": plan.sizes.to_json(),
        "table_sha256": opened.sha256,
    }


def _check_same(path: Path, identity: dict[str, Any]) -> None:
    """Check that a file of a unit was written with the same options."""
    try:
        found = read_versioned(path, BENCHMARK_FORMAT)
    except NewerFormatError:
        raise
    except InputError as error:
        raise InputError(f"{path} is damaged: delete it, and run the benchmark again") from error
    wanted = json.loads(encode_json(identity))
    different = changes({name: found.get(name) for name in wanted}, wanted)
    if different:
        raise InputError(
            f"{path.parent} was measured with other options ({different}): choose another "
            "folder, give the cohort another name, or delete this unit"
        )


def _accepted(opened: OpenedCohort, run: Run) -> OpenedCohort:
    """Return the cohort without the scans that the checks refused."""
    accepted = {row.scan for row in run.splits}
    scans = tuple(scan for scan in opened.cohort.scans if scan.name in accepted)
    return replace(opened, cohort=replace(opened.cohort, scans=scans))


def _predictions(runs: UnitRuns) -> pd.DataFrame:
    """Return the probability of each class, of each tested scan, by each predictor."""
    sources = (
        ("CNN", runs.logits, "network"),
        ("HR-CAM (logits)", runs.logits, "head"),
        ("HR-CAM (labels)", runs.labels, "head"),
        ("HR-CAM (joint)", runs.joint, "head"),
    )
    rows = [
        (one.scan, one.label, predictor, name, f"{getattr(one, who)[place]:.6g}")
        for predictor, run, who in sources
        for place, name in enumerate(run.classes)
        for one in run.predictions
    ]
    columns = ["subject", "label", "predictor", "class", "probability"]
    return pd.DataFrame(rows, columns=columns)


def _csv(table: pd.DataFrame) -> bytes:
    text: str = table.to_csv(index=False)
    return text.encode()
