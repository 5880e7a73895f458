"""How fast a cohort is mapped, as ratios to what the parts alone can do, in one run.

    python benchmarks/throughput.py [--pictures 5000] [--volumes 200] [--only pictures] [--rounds 3]

Pictures of 128² and volumes of 96³ are simulated as noise, the network has random weights. Each
round runs the parts and the whole job in turn, so that a machine whose speed drifts does little
harm, and a ratio is the median over rounds. All count scans a second:

- explain: in batches (of 64 for pictures), of images that are in memory, with one network;
- decode, encode: reading and preparing, or encoding without writing, of one scan after the other;
- map, N workers: `map_scans` from files to files, without the checks of the maps.

Times are of the clock and, in brackets, of the processor: where other programs use the same cores
only the latter means anything. Maps of another form are compared by size.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import joblib
import nibabel
import numpy as np
import torch
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from hrcam import HRCAM
from hrcam.cohort.scan import Scan
from hrcam.mapping import Form, map_scans, stages
from hrcam.mapping.encoding import Title, encode_map
from hrcam.mapping.overlay import encode_overlay
from hrcam.mapping.reading import read
from hrcam.networks import SmallCNN
from hrcam.preparation import Preparation
from hrcam.preparation.prepared_scan import PreparedScan
from hrcam.training.config import Hardware

CLASSES = ("control", "patient")


class RandomRun:
    """What `hrcam.training.run.Run` offers to a mapping, with a network of random weights."""

    classes, channels, folds, reference = CLASSES, ("image",), 1, "control"

    def __init__(self, preparation: Preparation, channels: Sequence[int]) -> None:
        self.preparation = preparation
        self.manifest = {"seed": 0, "folds": 1, "classes": list(CLASSES)}
        torch.manual_seed(0)
        network = SmallCNN(preparation.dimensions, 1, 2, tuple(channels)).eval()
        images = torch.randn(16, 1, *preparation.shape)
        images += torch.randn(16, 1, *[1] * preparation.dimensions)
        with torch.no_grad():
            network.classifier.bias -= network(images[:4]).mean(0)
        self._explainer = HRCAM(network).fit(list(images.split(4)), target="logits", reference=0)

    def explainer(self, fold: int) -> HRCAM:
        """Return the one that there is."""
        del fold
        return self._explainer

    def folds_for(self, scan: Scan, voxel_hash: str) -> tuple[tuple[int, ...], bool]:
        """Say that a scan is new."""
        del scan, voxel_hash
        return (1,), False


def preparation(shape: tuple[int, ...], spacing: tuple[float, ...] | None) -> Preparation:
    """Return one without a resampling, so that decoding is what it costs."""
    return Preparation(
        dimensions=len(shape),
        channels=("image",),
        in_channels=1,
        shape=shape,
        spacing=spacing,
        orientation="stored" if spacing is None else "RAS",
        left_right=None,
        crop_to_foreground=False,
    )


def pictures(folder: Path, number: int) -> list[Scan]:
    """Write pictures of smooth noise."""
    generator = np.random.default_rng(0)
    scans = []
    for index in range(number):
        values = gaussian_filter(generator.normal(size=(128, 128)), 1.5)
        path = folder / f"{index}.png"
        Pillow.fromarray((128 + 40 * values / values.std()).clip(0, 255).astype(np.uint8)).save(
            path
        )
        scans.append(Scan(f"sub-{index:05d}", f"p{index}", {"image": path}))
    return scans


def volumes(folder: Path, number: int) -> list[Scan]:
    """Write volumes of smooth noise in whole numbers, compressed; every tenth is drawn anew."""
    generator = np.random.default_rng(0)
    scans: list[Scan] = []
    for index in range(number):
        if index % 10 == 0:
            values = gaussian_filter(generator.normal(size=(96, 96, 96)), 1.5)
            values = (1000 + 200 * values / values.std()).astype(np.int16)
        path = folder / f"{index}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(np.roll(values, index % 10, 0), np.eye(4)), path)
        scans.append(Scan(f"sub-{index:05d}", f"p{index}", {"image": path}))
    return scans


class Stopwatch:
    """Seconds of the clock, and of the processor in this process and those it has ended."""

    def __enter__(self) -> "Stopwatch":
        self._clock, self._cpu = time.perf_counter(), self._used()
        return self

    def __exit__(self, *error: object) -> None:
        self.clock = time.perf_counter() - self._clock
        self.cpu = self._used() - self._cpu

    def _used(self) -> float:
        used = os.times()
        return used.user + used.system + used.children_user + used.children_system


def speed(work: Callable[[], int]) -> tuple[float, float]:
    """Return scans a second of the clock, and of the processor."""
    with Stopwatch() as watch:
        done = work()
    return done / watch.clock, done / watch.cpu


def measure(
    run: RandomRun, scans: Sequence[Scan], batch: int, workers: Sequence[int], rounds: int
) -> dict[str, object]:
    """Measure the parts alone and the whole job, in turn."""
    few = scans[: max(batch, min(len(scans), 64))]
    explainer = run.explainer(1)
    readings = [read(scan, run.preparation) for scan in few]
    assert all(isinstance(reading, PreparedScan) for reading in readings)
    voxels = torch.from_numpy(np.stack([one.prepared.voxels for one in readings]))

    def explain() -> int:
        for images in voxels.split(batch):
            explainer.explain(images, 1)
        return len(voxels)

    found = explainer.explain(voxels[:1], 1)
    maps = {"pattern": found.pattern[0].numpy(), "evidence": found.evidence[0].numpy()}

    def decode() -> int:
        for scan in few:
            read(scan, run.preparation)
        return len(few)

    def encode() -> int:
        for scan, reading in zip(few, readings, strict=True):
            for kind, values in maps.items():
                native = reading.prepared.to_native(values)
                encode_map(native, reading.space, scan.images["image"], Title(kind, "patient"))
            if reading.picture is not None:
                encode_overlay(reading.picture, native)
        return len(few)

    sizes = {}

    def mapped(count: int, form: Form | None = None) -> Callable[[], int]:
        def work() -> int:
            with tempfile.TemporaryDirectory() as out:
                hardware = Hardware(workers=count)
                done = map_scans(
                    run, scans, Path(out) / "maps", form=form, hardware=hardware, progress=False
                ).done
                files = (Path(out) / "maps").glob("sub-*/*")
                sizes[form] = sum(path.stat().st_size for path in files) / len(scans)
            assert done == len(scans)
            return done

        return work

    parts = {"explain": explain, "decode": decode, "encode": encode}
    jobs = {f"map, {count} workers": mapped(count) for count in workers}
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in (*parts, *jobs)}
    for _ in range(rounds):
        for name, work in (*parts.items(), *jobs.items()):
            speeds[name].append(speed(work))
    mapped(workers[-1], Form(data_type="float32"))()
    return {
        "scans": len(scans),
        "batch": batch,
        "speeds": speeds,
        "bytes": {"int16": sizes[None], "float32": sizes[Form(data_type="float32")]},
    }


def show(name: str, found: dict[str, object]) -> None:
    """Print a table of speeds, and the ratios that matter."""
    speeds = found["speeds"]
    print(f"\n{name}: {found['scans']} scans, explained {found['batch']} at a time")
    for part, rounds in speeds.items():
        clock, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
        print(f"  {part:18} {clock:8.1f} a second  ({cpu:.1f})")

    def ratio(above: str, below: Callable[[int], tuple[float, float]]) -> str:
        pairs = [
            [mine / other for mine, other in zip(pair, below(index), strict=True)]
            for index, pair in enumerate(speeds[above])
        ]
        clock, cpu = (statistics.median(column) for column in zip(*pairs, strict=True))
        return f"{clock:.2f} ({cpu:.2f})"

    names = [part for part in speeds if part.startswith("map")]
    for job_name in names:
        print(f"  {job_name} / explain: {ratio(job_name, lambda i: speeds['explain'][i])}")
    slowest = ratio(
        names[0],
        lambda i: tuple(
            min(speeds[part][i][column] for part in ("explain", "decode", "encode"))
            for column in (0, 1)
        ),
    )
    print(f"  {names[0]} / slowest part: {slowest}")
    for job_name in names[1:]:
        print(f"  {job_name} / {names[0]}: {ratio(job_name, lambda i: speeds[names[0]][i])}")
    sizes = found["bytes"]
    print(
        f"  bytes a scan: {sizes['int16']:.0f}, {sizes['int16'] / sizes['float32']:.2f} of single "
        "precision"
    )


def main() -> None:
    """Measure, and print or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--only", choices=("pictures", "volumes"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--channels", default="16,32,64,128,256", help="of the network's levels")
    parser.add_argument("--threads", type=int, default=1, help="of torch, for each worker")
    parser.add_argument("--out", type=Path, help="write all numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    stages.check_folder = lambda *_: None
    channels = [int(each) for each in options.channels.split(",")]
    workers = (1, 2) if joblib.cpu_count() < 4 else (1, 2, joblib.cpu_count())
    cases = {
        "pictures": (pictures, options.pictures, preparation((128, 128), None), 64),
        "volumes": (volumes, options.volumes, preparation((96, 96, 96), (1.0, 1.0, 1.0)), 1),
    }
    results = {}
    for name, (write, number, prepare, batch) in cases.items():
        if options.only in (None, name):
            folder = Path(tempfile.mkdtemp())
            try:
                run = RandomRun(prepare, channels)
                results[name] = measure(run, write(folder, number), batch, workers, options.rounds)
            finally:
                shutil.rmtree(folder)
            show(name, results[name])
    if options.out is not None:
        options.out.write_text(json.dumps({"argv": sys.argv, **results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
