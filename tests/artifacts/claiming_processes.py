"""Processes that claim one folder at the same moment and write to it, again and again."""

import json
import multiprocessing
from pathlib import Path

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.claim import claim_folder

PROCESSES = 4
MARKER, SHARED = "job.json", "table.tsv"
_LINE = 2000


def claim_and_write(out: Path, rounds: int) -> list[str]:
    """Let four processes claim ``rounds`` folders; return what went wrong, in words."""
    context = multiprocessing.get_context("spawn")
    barrier, found = context.Barrier(PROCESSES), context.Queue()
    workers = [
        context.Process(target=_work, args=(out, rounds, number, barrier, found))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    wrong = [line for _ in workers for line in found.get()]
    for worker in workers:
        worker.join()
    for round_ in range(rounds):
        wrong += _wrong_after(out / f"{round_}")
    return wrong


def _work(out, rounds, number, barrier, found):
    wrong, claimed = [], 0
    for round_ in range(rounds):
        folder = out / f"{round_}"
        barrier.wait()
        try:
            marker = claim_folder(folder, MARKER, json.dumps({"by": number}).encode())
            claimed += marker is None
            if marker is not None and "by" not in json.loads(marker):
                wrong.append(f"round {round_}: process {number} found the marker {marker!r}")
            write_atomically(folder / f"{number}.txt", _content(number))
            write_atomically(folder / SHARED, _content(number))
            if (folder / SHARED).read_bytes() not in map(_content, range(PROCESSES)):
                wrong.append(f"round {round_}: process {number} read a torn file")
        except Exception as error:  # every one is a failure of the test
            wrong.append(f"round {round_}: process {number}: {type(error).__name__}: {error}")
    write_atomically(out / f"claimed-{number}", str(claimed).encode())
    found.put(wrong)


def _wrong_after(folder):
    names = {path.name for path in folder.iterdir()}
    expected = {MARKER, SHARED, *(f"{number}.txt" for number in range(PROCESSES))}
    wrong = [] if names == expected else [f"{folder} holds {sorted(names)}"]
    wrong += [
        f"{folder / name} is torn"
        for number in range(PROCESSES)
        if (folder / (name := f"{number}.txt")).read_bytes() != _content(number)
    ]
    return wrong


def _content(number):
    return f"{number}".encode() * _LINE * (number + 1)
