"""Run a benchmark: measure every unit of a suite, then write the summary."""

import json
import logging
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.claim import claim_folder
from hrcam.artifacts.formats import FORMAT, encode_json, read_versioned, take_version
from hrcam.artifacts.manifest import versions_of
from hrcam.benchmark.cohorts import OpenedCohort, open_planned
from hrcam.benchmark.layout import BENCHMARK_FORMAT, COHORTS, FINISHED, MANIFEST, UNITS
from hrcam.benchmark.measures.attributions import check_captum
from hrcam.benchmark.suite import PlannedCohort, Suite
from hrcam.benchmark.summary.write import Summary, write_summary
from hrcam.benchmark.unit import LIBRARIES, is_finished, measure_unit, unit_folder
from hrcam.cluster import Cluster, Killed, workers_died
from hrcam.errors import InputError, NewerFormatError
from hrcam.progress import Progress
from hrcam.simulate import SimulatedCohort
from hrcam.training import Hardware
from hrcam.training.classifier import check_hardware

logger = logging.getLogger(__name__)


def run_benchmark(
    out: str | Path,
    suite: Suite,
    *,
    hardware: Hardware | None = None,
    skip_bad: bool = False,
    command: Sequence[str] = (),
    cluster: Cluster | None = None,
    progress: bool = True,
) -> Summary:
    """Measure every cohort of a suite with every seed, and write the summary after each.

    If interrupted or killed, repeat the call to resume; the result is the same. Calls with other
    cohorts or more seeds of the same suite add to the folder.

    Parameters
    ----------
    out
        Folder: new, empty, or of the same suite.
    suite
        From `hrcam.benchmark.suite.plan_suite`.
    hardware
        Devices and precision; with "auto", simulated pictures are trained on in mixed precision
        on a CPU as well.
    skip_bad
        Leave out refused scans instead of raising an error.
    command
        The command line, for the manifest.
    cluster
        Measures the units at the same time; None to measure one after the other here.
    progress
        Show how far the whole job and its parts are: bars on a terminal, else lines in the log
        every 30 seconds.

    Returns
    -------
    Summary
        Summary of all units in the folder.

    Raises
    ------
    RefusedScansError
        If the checks refuse scans of a cohort, unless ``skip_bad``.
    InputError
        If captum is missing, the folder has other content, or a cohort cannot be measured.
    TrainingError
        If a loss is infinite or NaN.
    """
    folder = Path(out)
    hardware = hardware or Hardware()
    check_captum()
    if cluster is None:
        check_hardware(hardware)
    typed = [shlex.join(command)] if command else []
    earlier = _claim(folder, suite, _manifest(folder, suite, hardware, typed))
    commands = [*earlier, *(one for one in typed if one not in earlier)]
    write_atomically(folder / MANIFEST, _manifest(folder, suite, hardware, commands))
    summary = None
    total = len(suite.cohorts) * suite.seeds
    with Progress(total, "measuring", "cohorts and seeds", shown=progress) as shown:
        for unit in _measured(folder, suite, hardware, skip_bad, cluster, progress, shown):
            logger.info("%s: measured", unit)
            write_atomically(folder / MANIFEST, _manifest(folder, suite, hardware, commands))
            summary = write_summary(folder)
            shown.update()
    # If no unit was left to measure, the summary may have been interrupted.
    return summary or write_summary(folder)


@dataclass(frozen=True)
class _Unit:
    """A cohort and a seed that are to be measured."""

    plan: PlannedCohort
    opened: OpenedCohort
    seed: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.plan.name}, seed {self.seed}"


def _measured(
    folder: Path,
    suite: Suite,
    hardware: Hardware,
    skip_bad: bool,
    cluster: Cluster | None,
    progress: bool,
    shown: Progress,
) -> Iterator[_Unit]:
    """Measure the units that are not finished, and yield each when it is."""
    units = _missing(folder, suite, hardware, cluster, progress, shown)
    if cluster is None:
        for unit in units:
            logger.info("%s", unit)
            _measure(unit, hardware, skip_bad, progress)
            yield unit
        return
    dead = []
    measure = partial(_measure, hardware=hardware, skip_bad=skip_bad, progress=False)
    for unit, outcome in cluster.outcomes(measure, units):
        if isinstance(outcome, Killed):
            dead.append(unit)
        else:
            yield unit
    if dead:
        raise workers_died(f"{'; '.join(map(str, dead))} could not be measured")


def _missing(
    folder: Path,
    suite: Suite,
    hardware: Hardware,
    cluster: Cluster | None,
    progress: bool,
    shown: Progress,
) -> Iterator[_Unit]:
    folder = folder if cluster is None else folder.absolute()
    for plan in suite.cohorts:
        opened = open_planned(
            plan,
            folder / COHORTS / plan.name,
            workers=hardware.workers,
            cluster=cluster,
            progress=progress,
        )
        for seed in range(suite.seeds):
            unit = _Unit(
                plan,
                opened if cluster is None else opened.absolute(),
                seed,
                unit_folder(folder, plan.name, seed),
            )
            if is_finished(opened, seed, unit.folder):
                logger.info("%s: done", unit)
                shown.skip()
            else:
                yield unit


def _measure(unit: _Unit, hardware: Hardware, skip_bad: bool, progress: bool) -> None:
    measure_unit(
        unit.opened,
        unit.seed,
        unit.folder,
        hardware=_mixed(hardware, unit.plan),
        skip_bad=skip_bad,
        progress=progress,
    )


def _claim(folder: Path, suite: Suite, manifest: bytes) -> list[str]:
    """Create the folder, or check that it is of the same suite; return its earlier commands."""
    content = claim_folder(folder, MANIFEST, manifest)
    if content is None:
        return []
    try:
        earlier = json.loads(content)
        found = take_version(earlier, folder / MANIFEST, BENCHMARK_FORMAT)
        version = earlier.get(FORMAT, 1)
        name, commands = str(found["suite"]), [str(one) for one in found["commands"]]
    except NewerFormatError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder / MANIFEST} is not that of a benchmark: choose another folder"
        ) from error
    if version < BENCHMARK_FORMAT:
        raise InputError(
            f"{folder} was measured by an earlier version of hrcam, which refined no map of other "
            "methods: choose another folder"
        )
    if name != suite.name:
        raise InputError(
            f"{folder} holds the suite {name!r}, not {suite.name!r}: choose another folder"
        )
    return commands


def _manifest(folder: Path, suite: Suite, hardware: Hardware, commands: Sequence[str]) -> bytes:
    """Write the manifest of the finished units; time lost by interruptions is not counted."""
    units = [
        read_versioned(path, BENCHMARK_FORMAT)
        for path in sorted(folder.glob(f"{UNITS}/*/{FINISHED}"))
    ]
    content = {
        FORMAT: BENCHMARK_FORMAT,
        "suite": suite.name,
        "commands": list(commands),
        "units": [
            {name: unit[name] for name in ("cohort", "source", "seed", "seconds")} for unit in units
        ],
        "seeds": sorted({unit["seed"] for unit in units}),
        "seconds": round(sum(unit["seconds"] for unit in units), 1),
        "hardware": hardware.model_dump(),
        "versions": versions_of(*LIBRARIES),
    }
    return encode_json(content)


def _mixed(hardware: Hardware, plan: PlannedCohort) -> Hardware:
    """Use mixed precision for simulated pictures on a CPU, where it is twice as fast.

    For volumes it is slower on a CPU, and some gradients become NaN.
    """
    pictures = isinstance(plan.source, SimulatedCohort) and plan.source.dimensions == 2
    if pictures and hardware.precision == "auto" and hardware.device.type == "cpu":
        return hardware.model_copy(update={"precision": "bf16-mixed"})
    return hardware
