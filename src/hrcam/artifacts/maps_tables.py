"""Tables of a folder of maps, made from the records in it, whichever job wrote them."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.scan_record import read_record
from hrcam.artifacts.text import encode_tsv

_TIMES = 5
MAPS, FAILURES = "maps.tsv", "failures.tsv"
_FAILURE_COLUMNS = ("scan", "file", "reason", "message", "advice")


def write_tables(out: Path, classes: Sequence[str], failures: str) -> None:
    """Write ``maps.tsv`` and ``failures.tsv`` from what all jobs have left in the folder.

    Parameters
    ----------
    out
        The folder of maps.
    classes
        Names, in the order of the class indices.
    failures
        Name of the folder within, with a JSON list of problems in each file.
    """
    _write_till_steady(
        out / MAPS,
        lambda: sorted(out.glob("sub-*/*_hrcam.json")),
        lambda records: _maps_table(out, records, classes),
    )
    _write_till_steady(
        out / FAILURES, lambda: sorted((out / failures).glob("*.json")), _failures_table
    )


def _write_till_steady(
    table: Path, find: Callable[[], list[Path]], build: Callable[[list[Path]], bytes]
) -> None:
    """Write a table, and again if files came or went meanwhile.

    Of several jobs that end at once, the one that writes last has then seen the files of all.
    One that ends while others are busy gives up soon: they will write it when they end.
    """
    seen = None
    for _ in range(_TIMES):
        found = _state(find())
        if found == seen:
            return
        seen = found
        write_atomically(table, build([path for path, _ in found]))


def _state(paths: Iterable[Path]) -> list[tuple[Path, int]]:
    state = []
    for path in paths:
        try:
            state.append((path, path.stat().st_mtime_ns))
        except FileNotFoundError:  # another job has just replaced or removed it
            continue
    return state


def _maps_table(out: Path, paths: Sequence[Path], classes: Sequence[str]) -> bytes:
    columns = ["scan", "participant", "label", "class", "predicted"]
    columns += [f"probability_{name}" for name in classes]
    rows = []
    for path in paths:
        record = read_record(path)
        if not record:
            continue
        start = [record["Scan"], record["Participant"], record["Label"], record["Class"]]
        values = [f"{record['Probabilities'][name]:.6g}" for name in classes]
        end = [record["SeenInTraining"], path.relative_to(out).as_posix()]
        rows.append([*start, record["PredictedClass"], *values, *end])
    rows.sort(key=lambda row: (row[0], row[3]))
    return encode_tsv([*columns, "seen_in_training", "json"], rows)


def _failures_table(paths: Sequence[Path]) -> bytes:
    problems = []
    for path in paths:
        try:
            problems += json.loads(path.read_bytes())
        except FileNotFoundError:
            continue
    rows = [[problem[column] for column in _FAILURE_COLUMNS] for problem in problems]
    return encode_tsv(list(_FAILURE_COLUMNS), sorted(rows))
