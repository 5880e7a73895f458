"""Tables of a folder of maps, made from the records in it, whichever job wrote them."""

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import encode_tsv, optional_rows
from hrcam.artifacts.map_names import FAILURES, MAPS, record_paths
from hrcam.artifacts.refusals import Refusal, encode_refusals, refusal_fields
from hrcam.artifacts.scan_findings import ScanFindings
from hrcam.artifacts.scan_input import ScanInput
from hrcam.artifacts.scan_record import usable_record

PROBLEMS = ".failures"
"""Folder with a JSON list of refusals for each scan that failed, and for the input as a whole."""

PROBABILITY = "probability_"
"""What the column of each class begins with."""

MAPS_COLUMNS = ("scan", "participant", "label", "class", "predicted")
FINDING_COLUMNS = ("regions", "control_share")
SCORE_COLUMNS = ("dice", "iou", "lesions", "detected", "false_positives")
"""Of the findings against the mask of the scan."""

UNLIKE = "unlike_training"
INPUT_COLUMNS = (UNLIKE, "distance", "distance_limit", "seen_share")
"""Of the networks' input against what they learnt from."""

MAPS_LAST_COLUMNS = ("primary", "seen_in_training", "json")

_TIMES = 5


def write_tables(out: Path, classes: Sequence[str]) -> None:
    """Write ``maps.tsv`` and ``failures.tsv`` from what all jobs have left in the folder.

    Parameters
    ----------
    out
        The folder of maps.
    classes
        Names, in the order of the class indices; none of a regression.
    """
    _write_till_steady(
        out / MAPS,
        lambda: record_paths(out),
        lambda records: _maps_table(out, records, classes),
    )
    _write_till_steady(
        out / FAILURES, lambda: sorted((out / PROBLEMS).glob("*.json")), _failures_table
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
    rows = []
    for path in paths:
        record = usable_record(path)
        if record is None:
            continue
        rows.append(
            [
                *(record.scan, record.participant, record.label),
                *(record.map_class, record.prediction.text),
                *(f"{record.prediction.probabilities[name]:.6g}" for name in classes),
                *_findings(record.findings),
                *_input(record.input),
                *(record.primary, record.seen_in_training, path.relative_to(out).as_posix()),
            ]
        )
    rows.sort(key=lambda row: (row[0], row[3]))
    columns = (f"{PROBABILITY}{name}" for name in classes)
    of_scans = (*FINDING_COLUMNS, *SCORE_COLUMNS, *INPUT_COLUMNS, *MAPS_LAST_COLUMNS)
    return encode_tsv([*MAPS_COLUMNS, *columns, *of_scans], rows)


def _findings(found: ScanFindings | None) -> list[object]:
    if found is None:
        return [None] * len((*FINDING_COLUMNS, *SCORE_COLUMNS))
    share, scores = found.control_share, found.scores
    of_masks = [None if scores is None else getattr(scores, name) for name in SCORE_COLUMNS]
    return [
        found.regions,
        *(f"{one:.4g}" if isinstance(one, float) else one for one in (share, *of_masks)),
    ]


def _input(found: ScanInput | None) -> list[object]:
    if found is None:
        return [None] * len(INPUT_COLUMNS)
    numbers = (found.distance, found.limit, found.share)
    return [found.unlike, *(None if one is None else f"{one:.4g}" for one in numbers)]


def unlike_scans(out: Path) -> frozenset[str]:
    """Return the names of the scans in ``maps.tsv`` that are unlike those of the training."""
    rows = optional_rows(out / MAPS, ("scan", UNLIKE))
    return frozenset(row["scan"] for row in rows if row[UNLIKE] == str(True))


def _failures_table(paths: Sequence[Path]) -> bytes:
    refusals = []
    for path in paths:
        try:
            refusals += [Refusal(**each) for each in json.loads(path.read_bytes())]
        except FileNotFoundError:
            continue
    return encode_refusals(sorted(refusals, key=refusal_fields))
