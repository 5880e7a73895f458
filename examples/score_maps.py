"""How well the maps of `hrcam map` find what a radiologist has outlined.

    hrcam map RUN COHORT --out MAPS
    python examples/score_maps.py COHORT MAPS

Of the scans whose table names a mask and which the network was not trained on, each in its own
voxels: AUPRC, pointing game and Dice of pattern and evidence, with 95 % intervals over subjects.
"""

import argparse
import json
from pathlib import Path

import nibabel
import numpy as np

from hrcam.cohort import open_cohort
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.evaluation.bootstrap import bootstrap_interval
from hrcam.evaluation.localisation import score_maps
from hrcam.evaluation.table import crossed_thresholds
from hrcam.text_table import aligned, with_interval


def read_map(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Read a map as `hrcam map` writes it, without the axes of length 1 of a slice."""
    values = np.load(path) if path.suffix == ".npy" else nibabel.load(path).get_fdata()
    return values.reshape(shape)


def main() -> None:
    """Score the maps and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("maps", type=Path)
    arguments = parser.parse_args()
    scans = {scan.name: scan for scan in open_cohort(arguments.cohort).scans}
    maps: dict[str, list[np.ndarray]] = {"pattern": [], "evidence": []}
    masks, groups = [], []
    for path in sorted(arguments.maps.glob("*/*_hrcam.json")):
        record = json.loads(path.read_text())
        scan = scans[record["Scan"]]
        if scan.mask is None or record["SeenInTraining"]:
            continue
        image = read_scan(scan)
        mask = read_mask(scan.mask, image)
        if not mask.any():
            continue
        masks.append(mask)
        groups.append(scan.group)
        for kind, several in maps.items():
            several.append(read_map(path.with_name(record["Files"][kind]), image.shape))
    rows = [[f"{len(masks)} scans with a mask", "AUPRC", "pointing", "Dice"]]
    for kind, several in maps.items():
        scores = score_maps(several, masks, crossed_thresholds(several, masks, groups))
        cells = [
            with_interval(float(values.mean()), *bootstrap_interval(values, groups))
            for values in (scores.auprc, scores.pointing, scores.dice)
        ]
        rows.append([f"HR-CAM {kind}", *cells])
    print(aligned(rows))


if __name__ == "__main__":
    main()
