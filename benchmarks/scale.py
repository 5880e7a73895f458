"""What a cohort of many scans costs beside its maps: a job that has nothing left to do, its memory.

    python benchmarks/scale.py [--scans 1000 20000] [--folder DIR] [--out FILE.json]

Pictures of 16² are noise. A tiny network is trained on some of them, which are also mapped; all
other maps are copies, with records of their own, so that the folder looks finished. Measured, each
in a process of its own, are time of the clock, time of the processor and the highest memory of:

- imports: what every command needs before it opens anything;
- open: the cohort is read from its table;
- map: `hrcam map` with nothing left to map; it writes `maps.tsv` and looks whether the checks hold;
- check: `hrcam check` of all pictures;
- report: `hrcam report` of the run with all maps.

With `--folder` what is there is used again.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

TRAINED = 100
SIDE = 16

COMMANDS = {
    "imports": "import hrcam.mapping, hrcam.cohort",
    "open": "from hrcam.cohort import open_cohort; open_cohort('cohort')",
    "map": ["map", "run", "cohort", "--out", "maps", "--workers", "1", "--no-cache"],
    "check": ["check", "cohort", "--workers", "2"],
    "report": ["report", "run", "--maps", "maps", "--out", "report.html"],
}


def main() -> None:
    """Make the folders, measure, and print or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--scans", type=int, nargs="+", default=[1000, 20000])
    parser.add_argument("--only", choices=tuple(COMMANDS), nargs="+", default=tuple(COMMANDS))
    parser.add_argument("--folder", type=Path, help="keep the cohorts and maps here")
    parser.add_argument("--out", type=Path, help="write all numbers as JSON")
    options = parser.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp())
    found = {}
    try:
        for scans in options.scans:
            place = folder.absolute() / str(scans)
            if not (place / "maps" / "maps.tsv").exists():
                make(place, scans)
            found[scans] = {name: measured(name, place) for name in options.only}
            for name, (seconds, cpu, mib) in found[scans].items():
                print(
                    f"{scans:7d} scans  {name:8s} {seconds:8.1f} s  {cpu:8.1f} s CPU  "
                    f"{mib:7.0f} MiB",
                    flush=True,
                )
    finally:
        if options.folder is None:
            shutil.rmtree(folder)
    if options.out:
        options.out.write_text(json.dumps(found, indent=2) + "\n")


def make(folder: Path, scans: int) -> None:
    """Make a cohort, a run and a folder of maps that looks finished."""
    from hrcam.artifacts.maps_tables import write_tables
    from hrcam.cohort import open_cohort
    from hrcam.mapping import map_scans
    from hrcam.training import Hardware, TrainingConfig, train_cohort

    pictures(folder / "cohort", scans)
    cohort = open_cohort(folder / "cohort")
    config = TrainingConfig(folds=2, epochs=1, shape=(SIDE, SIDE))
    cpu = Hardware(accelerator="cpu", workers=1)
    some = replace(cohort, scans=cohort.scans[:TRAINED])
    run = train_cohort(some, folder / "run", config, hardware=cpu, progress=False).run
    names = [scan.name for scan in cohort.scans[: TRAINED + 1]]
    maps = folder / "maps"
    map_scans(run, cohort.scans, maps, only=names, hardware=cpu, progress=False)
    copy_maps(maps, cohort.scans[TRAINED], cohort.scans[TRAINED + 1 :])
    write_tables(maps, run.classes)


def pictures(folder: Path, scans: int) -> None:
    """Write pictures of noise, and their table."""
    (folder / "images").mkdir(parents=True)
    generator = np.random.default_rng(0)
    rows = ["participant_id\timage\tlabel"]
    for number in range(scans):
        pixels = generator.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
        Pillow.fromarray(pixels).save(folder / f"images/{number:06d}.png")
        rows.append(f"p{number:06d}\timages/{number:06d}.png\t{('control', 'case')[number % 2]}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")


def copy_maps(maps: Path, mapped: object, scans: object) -> None:
    """Copy the maps of a scan for others, with records that name these."""
    from hrcam.artifacts.map_names import RECORD_END, ScanPlace
    from hrcam.artifacts.scan_record import MapInput, encode_record, read_record

    (path,) = (maps / f"sub-{mapped.name}").rglob(f"*{RECORD_END}")
    record = read_record(path)
    files = {kind: file.read_bytes() for kind, file in record.files.items()}
    for scan in scans:
        place = ScanPlace.of(maps, f"sub-{scan.name}")
        source = MapInput.of(
            scan.name, scan.participant, scan.label, tuple(scan.images.values()), record.run
        )
        place.folder.mkdir(parents=True)
        named = {
            kind: place.folder / file.name.replace(f"sub-{mapped.name}", place.name)
            for kind, file in record.files.items()
        }
        for kind, file in named.items():
            file.write_bytes(files[kind])
        digest = hashlib.sha256(scan.name.encode()).hexdigest()
        own = replace(record, **vars(source), voxel_hash=digest, files=named)
        (place.folder / path.name.replace(f"sub-{mapped.name}", place.name)).write_bytes(
            encode_record(own)
        )


def measured(name: str, folder: Path) -> tuple[float, float, float]:
    """Return seconds of the clock, those of the processor, and the highest memory in MiB."""
    command = COMMANDS[name]
    if isinstance(command, str):
        call = [sys.executable, "-c", command]
    else:
        call = [sys.executable, "-c", "from hrcam.cli import app; app()", *command]
    reader = (
        "import resource, subprocess, sys;"
        "code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode;"
        "used = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(used.ru_utime + used.ru_stime, used.ru_maxrss);"
        "sys.exit(code)"
    )
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", reader, *call], cwd=folder, stdout=subprocess.PIPE, check=True
    )
    cpu, kib = map(float, done.stdout.split())
    return time.monotonic() - started, cpu, kib / 1024


if __name__ == "__main__":
    main()
