"""How large the report of maps is, and how long it takes to write it and to open it.

    python benchmarks/report_size.py slabs|brains|heads [--scans 30] [--out DIR]

The MNI template (from nilearn) with noise of 2 % of its maximum: slabs of 320 × 320 × 10, or
volumes of 182 × 218 × 182; brains have no noise around them, heads have. Their pattern follows the
edges of the image, their evidence is smooth. The report is opened in Chromium without a window:
first with the scans that are shown at first, then with the next page of them.
"""

import argparse
import json
import shutil
import tempfile
import time
from pathlib import Path

import nibabel
import numpy as np
from nibabel.openers import Opener
from nilearn.datasets import load_mni152_template
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom

from hrcam.artifacts.map_names import ScanPlace
from hrcam.artifacts.scan_record import MapInput, ScanRecord, encode_record
from hrcam.report.cohort_report import write_cohort_report

NOISE = 0.02
CLASSES = ("control", "lesion")
DRAWN = """() => [...document.querySelectorAll("#scans .card:not([hidden])")].every(
  card => card.getAttribute("aria-busy") === "false")"""


def template(kind: str) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the template on the grid of a kind, from 0 to 1, and its affine."""
    values = np.asarray(load_mni152_template(resolution=1).dataobj, np.float32)
    values = values[7:189, 7:225, 3:185] / values.max()
    if kind != "slabs":
        affine = nibabel.affines.from_matvec(np.eye(3), (-91, -126, -72))
        return values, affine
    slab = values[:, 7:211, 55:95:4]
    factors = [320 / size for size in slab.shape[:2]]
    affine = nibabel.affines.from_matvec(np.diag([0.75, 0.75, 3.0]), (-120, -120, -40))
    return zoom(slab, (*factors, 1), order=1), affine


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return noise of unit deviation, smooth over about a tenth of the image."""
    coarse = [max(3, size // 4) for size in shape]
    values = zoom(
        gaussian_filter(rng.normal(size=coarse), 1.5),
        [size / few for size, few in zip(shape, coarse, strict=True)],
        order=1,
    )
    return (values / values.std()).astype(np.float32)


def write_scan(folder: Path, number: int, kind: str) -> None:
    """Write the image of a scan, its maps and their record."""
    rng = np.random.default_rng(number)
    clean, affine = template(kind)
    clean = clean[::-1] if number % 2 else clean
    brain = clean > 0
    noise = NOISE * rng.normal(size=(2, *clean.shape))
    image = np.hypot(clean + noise[0], noise[1]).astype(np.float32)
    if kind != "heads":
        image *= brain
    centre = [int(size * rng.uniform(0.35, 0.65)) for size in clean.shape]
    squares = [
        ((np.arange(size) - at) * step) ** 2
        for size, at, step in zip(clean.shape, centre, np.diag(affine), strict=False)
    ]
    x, y, z = np.meshgrid(*squares, indexing="ij", sparse=True)
    spot = (x + y + z < 8**2).astype(np.float32)
    pattern = 0.7 * smooth_noise(rng, clean.shape) * gaussian_filter(image, 1) + 5 * spot
    within = gaussian_filter(brain.astype(np.float32), 2)
    evidence = 3 * smooth_noise(rng, clean.shape) * within + 20 * gaussian_filter(spot, 3)
    name, label = f"sub-{number:03d}", CLASSES[number % 2]
    place = ScanPlace.of(folder, name)
    place.folder.mkdir(parents=True)
    source = folder.parent / f"{name}.nii.gz"
    files = {kind: place.map(label, kind, ".nii.gz") for kind in ("pattern", "evidence")}
    save(source, np.rint(1000 * image), affine)
    save(files["pattern"], steps(pattern * brain), affine)
    save(files["evidence"], steps(evidence), affine)
    probabilities = dict(zip(CLASSES, (0.2, 0.8) if number % 2 else (0.8, 0.2), strict=True))
    record = ScanRecord(
        **vars(MapInput.of(name, name, label, [source], {})),
        voxel_hash="",
        folds=(1,),
        seen_in_training=False,
        warnings=(),
        grid=clean.shape,
        grid_spacing=None,
        map_class=label,
        class_index=number % 2,
        predicted=label,
        predictor="network",
        probabilities=probabilities,
        logit=1.0,
        bias=0.0,
        level_contributions={"all": 1.0},
        shape=clean.shape,
        files=files,
        versions={},
    )
    place.record(label).write_bytes(encode_record(record))


def steps(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to 500 steps, as maps on disk are."""
    step = np.abs(values).max() / 500
    return (np.rint(values / step) * step).astype(np.float32)


def save(path: Path, values: NDArray[np.float32], affine: NDArray[np.float64]) -> None:
    """Write a volume in whole numbers of 16 bits."""
    image = nibabel.Nifti1Image(values, affine)
    image.set_data_dtype(np.int16)
    nibabel.save(image, path)


def opening_times(report: Path) -> dict[str, float]:
    """Return the seconds until the first and the second page of scans are drawn."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu"]
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=arguments
        )
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        started = time.monotonic()
        page.goto(report.as_uri())
        loaded = time.monotonic()
        page.wait_for_function(DRAWN)
        drawn = time.monotonic()
        page.locator("#scans .finder button", has_text="Next").click()
        page.wait_for_function(DRAWN)
        turned = time.monotonic()
        browser.close()
    return {"loaded": loaded - started, "drawn": drawn - started, "next page": turned - drawn}


def main() -> None:
    """Simulate, write the report, open it, and print sizes and times."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("kind", choices=("slabs", "brains", "heads"))
    parser.add_argument("--scans", type=int, default=30)
    parser.add_argument("--out", type=Path, help="folder to keep; a temporary one if not given")
    arguments = parser.parse_args()
    Opener.default_compresslevel = 1
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.out or Path(temporary)
        for number in range(arguments.scans):
            write_scan(folder / "maps", number, arguments.kind)
        started = time.monotonic()
        report = write_cohort_report(None, folder / "maps", folder / "report.html")
        written = time.monotonic() - started
        result = {"kind": arguments.kind, "scans": arguments.scans}
        megabytes = report.stat().st_size / 1e6
        result |= {"megabytes": round(megabytes, 1), "written": round(written, 1)}
        result |= {name: round(value, 2) for name, value in opening_times(report).items()}
        print(json.dumps(result))


if __name__ == "__main__":
    main()
