"""How fast a cohort is mapped, as ratios to what the parts alone can do, in one run.

    python benchmarks/throughput.py [--pictures 5000] [--volumes 200] [--only pictures] [--rounds 3]

Pictures of 128² and volumes of 96³ are simulated as noise, the network has random weights. Each
round runs the parts and the whole job in turn, so that a machine whose speed drifts does little
harm, and a ratio is the median over rounds. All count scans a second:

- explain: of images that are in memory, with one network, 64 pictures or one volume at a time; with
  N threads for the job of N workers;
- decode, encode: reading and preparing, or finding regions and encoding without writing, of one
  scan after the other; N cores do N times as many;
- map, N workers: `map_scans` from files to files, without the checks of the maps;
- again: the same with the prepared scans in a cache.

Times are of the clock and, in brackets, of the processor: where other programs use the same cores
only the latter means anything. Of the processor's time of a job, the serial share is that of the
thread that hands out the work: N workers cannot be faster than that allows, on any machine.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import joblib
import nibabel
import numpy as np
import torch
from PIL import Image as Pillow
from scipy.ndimage import gaussian_filter

from hrcam import HRCAM
from hrcam.artifacts.cache import Cache
from hrcam.artifacts.manifest import run_identity
from hrcam.artifacts.map_names import ScanPlace
from hrcam.artifacts.scan_record import MapInput
from hrcam.cohort.scan import Scan
from hrcam.findings import ControlScores
from hrcam.mapping import Form, map_scans, stages
from hrcam.mapping.ensemble import explain_batch
from hrcam.mapping.mapper import Mapper, Task
from hrcam.mapping.names import bids_labels
from hrcam.mapping.reading import read
from hrcam.mapping.request import MapRequest
from hrcam.networks import SmallCNN
from hrcam.preparation import Preparation
from hrcam.preparation.prepared_scan import PreparedScan
from hrcam.training.config import Hardware
from hrcam.training.held_out_distances import HeldOutDistances
from hrcam.training.tasks import Classification

CLASSES = ("control", "patient")


class RandomRun:
    """What `hrcam.training.run.Run` offers to a mapping, with a network of random weights."""

    classes, channels, folds, reference = CLASSES, ("image",), 1, "control"
    held_out, voxel_sizes = HeldOutDistances.of(()), None
    task = Classification(CLASSES, positive="patient", reference="control")

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

    def controls_for(self, scan: Scan, voxel_hash: str, map_class: str) -> ControlScores:
        """Give scores of some controls."""
        del scan, voxel_hash, map_class
        return ControlScores(tuple(np.linspace(0, 5, 100).tolist()))

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


@dataclass(frozen=True)
class Speed:
    """Scans a second.

    Attributes
    ----------
    clock, cpu
        By the clock, and by the processor time of this process and those it has ended.
    serial
        Share of that processor time in the thread that was measured.
    """

    clock: float
    cpu: float
    serial: float

    @classmethod
    def of(cls, work: Callable[[], int]) -> "Speed":
        """Measure it."""
        clock, cpu, own = time.perf_counter(), _cpu_seconds(), time.thread_time()
        done = work()
        seconds = _cpu_seconds() - cpu
        return cls(
            done / (time.perf_counter() - clock),
            done / seconds,
            (time.thread_time() - own) / seconds,
        )


def _cpu_seconds() -> float:
    ended = os.times()
    return time.process_time() + ended.children_user + ended.children_system


def map_name(workers: int) -> str:
    """Name a job in tables."""
    return f"map, {workers} worker{'s' if workers > 1 else ''}"


def explain_name(threads: int) -> str:
    """Name what a job is compared with."""
    return f"explain, {threads} thread{'s' if threads > 1 else ''}"


AGAIN = "again, from the cache"


def measure(
    run: RandomRun, scans: Sequence[Scan], batch: int, workers: Sequence[int], rounds: int
) -> dict[str, object]:
    """Measure the parts alone and the whole job, in turn."""
    few = scans[: max(batch, min(len(scans), 64))]
    explainer = run.explainer(1)
    readings = [read(scan, run.preparation) for scan in few]
    assert all(isinstance(reading, PreparedScan) for reading in readings)
    arrays = np.stack([one.prepared.voxels for one in readings])
    voxels = torch.from_numpy(arrays)

    def explain(threads: int) -> Callable[[], int]:
        def work() -> int:
            torch.set_num_threads(threads)
            for images in voxels.split(batch):
                explainer.explain(images, 1)
            torch.set_num_threads(1)
            return len(voxels)

        return work

    def decode() -> int:
        for scan in few:
            read(scan, run.preparation)
        return len(few)

    labels, request = bids_labels(run.classes), MapRequest(run.classes[1], False, Form())
    mapper = Mapper(run, request, labels, torch.device("cpu"), nullcontext())
    mapper.overlay_limit = 1.0
    maps = explain_batch([explainer], arrays[:1], 1)[0]
    identity = run_identity(run.manifest)
    prepared = [
        mapper.prepared(
            Task(
                scan,
                ScanPlace.of(Path("maps"), scan.name),
                MapInput.of(scan.name, scan.participant, None, [*scan.images.values()], identity),
            ),
            reading,
        )
        for scan, reading in zip(few, readings, strict=True)
    ]

    def encode() -> int:
        for one in prepared:
            mapper.encoded(one, maps)
        return len(prepared)

    sizes: dict[str, dict[str, float]] = {}

    def mapped(
        count: int, form: Form | None = None, cache: Cache | None = None
    ) -> Callable[[], int]:
        def work() -> int:
            with tempfile.TemporaryDirectory() as out:
                report = map_scans(
                    run,
                    scans,
                    Path(out) / "maps",
                    form=form,
                    hardware=Hardware(accelerator="cpu", workers=count),
                    cache=cache,
                    progress=False,
                )
                assert report.done == len(scans), report.failed[:1]
                sizes[(form or Form()).data_type] = _bytes_of(Path(out) / "maps", len(scans))
            return report.done

        return work

    parts = {
        **{explain_name(count): explain(count) for count in workers},
        "decode": decode,
        "encode": encode,
    }
    with tempfile.TemporaryDirectory() as folder:
        cache = Cache(Path(folder), 10**12)
        jobs = {
            **{map_name(count): mapped(count) for count in workers},
            AGAIN: mapped(workers[-1], cache=cache),
        }
        mapped(workers[-1], Form(data_type="float32"), cache)()
        speeds: dict[str, list[Speed]] = {name: [] for name in (*parts, *jobs)}
        for _ in range(rounds):
            for name, work in (*parts.items(), *jobs.items()):
                speeds[name].append(Speed.of(work))
    return {
        "scans": len(scans),
        "batch": batch,
        "workers": list(workers),
        "speeds": {name: [asdict(one) for one in found] for name, found in speeds.items()},
        "bytes": sizes,
    }


def _bytes_of(folder: Path, scans: int) -> dict[str, float]:
    """Return bytes a scan of the maps alone, and of all files."""
    files = [path for path in folder.glob("sub-*/**/*") if path.is_file()]
    kinds = tuple(f"_desc-{kind}_" for kind in ("pattern", "evidence", "std"))
    maps = [path for path in files if any(kind in path.name for kind in kinds)]
    return {
        "maps": sum(path.stat().st_size for path in maps) / scans,
        "all files": sum(path.stat().st_size for path in files) / scans,
    }


def goals(name: str, found: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what is compared, the ratio by the clock and by the processor, and what it should be.

    Of several workers over one, the second figure is the most that processor time and the serial
    share allow.
    """
    speeds, workers = found["speeds"], found["workers"]

    def median(ratio: Callable[[int, str], float]) -> str:
        rounds = range(len(speeds["decode"]))
        clock, cpu = (
            statistics.median(ratio(index, by) for index in rounds) for by in ("clock", "cpu")
        )
        return f"{clock:.2f} ({cpu:.2f})"

    def limit(index: int, by: str, count: int) -> float:
        # By the processor, several cores do no more a second of it.
        times = count if by == "clock" else 1
        return min(
            speeds[explain_name(count)][index][by],
            times * speeds["decode"][index][by],
            times * speeds["encode"][index][by],
        )

    for count in workers:
        job_name, explained = map_name(count), explain_name(count)
        if name == "pictures":
            yield (
                f"{job_name} / {explained}",
                median(lambda i, by, j=job_name, e=explained: speeds[j][i][by] / speeds[e][i][by]),
                "0.6 or more",
            )
        else:
            yield (
                f"{job_name} / slowest part",
                median(lambda i, by, j=job_name, n=count: speeds[j][i][by] / limit(i, by, n)),
                "0.8 or more",
            )
    one = map_name(1)
    for count in workers[1:]:
        job_name = map_name(count)

        def faster(index: int, by: str, job_name: str = job_name, count: int = count) -> float:
            ratio = speeds[job_name][index][by] / speeds[one][index][by]
            if by == "clock":
                return ratio
            return ratio * min(count, 1 / speeds[job_name][index]["serial"])

        yield f"{job_name} / 1", median(faster), "1.7 or more" if count == 2 else ""
    last = map_name(workers[-1])
    again = median(lambda i, by: speeds[AGAIN][i][by] / speeds[last][i][by])
    yield f"{AGAIN} / {last}", again, ""
    sizes = found["bytes"]
    for what in ("maps", "all files"):
        share = sizes["int16"][what] / sizes["float32"][what]
        yield f"bytes of {what} / single precision", f"{share:.2f}", "0.33 or less"


def show(name: str, found: dict[str, Any]) -> None:
    """Print a table of speeds, and the ratios that matter."""
    print(f"\n{name}: {found['scans']} scans, explained {found['batch']} at a time")
    for part, rounds in found["speeds"].items():
        clock, cpu, serial = (
            statistics.median(one[key] for one in rounds) for key in ("clock", "cpu", "serial")
        )
        more = f", {serial:.0%} serial" if part.startswith("map") else ""
        print(f"  {part:24} {clock:8.1f} a second  ({cpu:.1f}{more})")
    for what, ratio, wanted in goals(name, found):
        print(f"  {what:42} {ratio:14} {wanted}")
    sizes = found["bytes"]["int16"]
    print(f"  bytes a scan: maps {sizes['maps']:.0f}, all files {sizes['all files']:.0f}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print or write what was found."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--only", choices=("pictures", "volumes"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--channels", default="16,32,64,128,256", help="of the network's levels")
    parser.add_argument("--out", type=Path, help="write all numbers as JSON")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)  # of each worker
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
