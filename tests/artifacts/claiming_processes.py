"""Processes that claim one folder of maps at the same moment and write to it, again and again."""

import multiprocessing
from pathlib import Path

from written_folders import CLASSES, write_scan

from hrcam.artifacts.claim import claim_folder
from hrcam.artifacts.maps_folder import MapsWriter, read_maps
from hrcam.artifacts.scan_record import MapInput

PROCESSES = 4
RUN = {"Manifest": "f00d", "Seed": 0}


def claim_and_write(out: Path, rounds: int) -> list[str]:
    """Let four processes claim and fill ``rounds`` folders; return what went wrong, in words."""
    context = multiprocessing.get_context("spawn")
    barrier, found = context.Barrier(PROCESSES), context.Queue()
    workers = [
        context.Process(target=_work, args=(out, rounds, number, barrier, found))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    results = [found.get() for _ in workers]
    for worker in workers:
        worker.join()
    wrong = [line for lines, _ in results for line in lines]
    claimed = sum(claims for _, claims in results)
    if claimed != rounds:
        wrong.append(f"{rounds} folders were claimed {claimed} times")
    for number in range(rounds):
        wrong += _wrong_after(out / f"{number}")
    return wrong


def _work(out, rounds, number, barrier, found):
    wrong, claimed = [], 0
    scan, content = f"sub-{number}", f"{number}".encode() * 50_000
    for index in range(rounds):
        folder = out / f"{index}"
        barrier.wait()
        try:
            claimed += claim_folder(folder / "claimed", "by", content) is None
            writer = MapsWriter(folder / "maps", RUN)
            made_from = MapInput.of(scan, f"p{number}", None, (), RUN)
            write_scan(writer, made_from, number % 3, scan)
            writer.write_tables(CLASSES)
        except Exception as error:  # every one is a failure of the test
            wrong.append(f"{folder}: process {number}: {type(error).__name__}: {error}")
    found.put((wrong, claimed))


def _wrong_after(folder):
    """See that every file is there and whole, and that nothing else is."""
    wrong = []
    marker = (folder / "claimed/by").read_bytes()
    if len(marker) != 50_000 or len(set(marker)) != 1:
        wrong.append(f"{folder}: the marker is torn")
    scans = [f"sub-{number}" for number in range(PROCESSES)]
    maps = read_maps(folder / "maps")
    if [record.scan for record in maps.records] != scans or maps.failures:
        wrong.append(f"{folder} holds {maps}")
    table = (folder / "maps/maps.tsv").read_text().splitlines()
    if [line.split("\t")[0] for line in table] != ["scan", *scans]:
        wrong.append(f"{folder}: the table is {table}")
    if left := list(folder.rglob("*.partial")):
        wrong.append(f"{folder}: left are {left}")
    return wrong
