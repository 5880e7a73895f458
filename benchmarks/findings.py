"""Findings of trained networks against masks, on images that they have not learnt from.

    python benchmarks/findings.py COHORT=RUN [COHORT=RUN ...] --out findings.csv [--images 200]

Each RUN is a folder that ``hrcam train COHORT`` wrote; its first fold is measured, on its test
images. Findings are those of ``hrcam map``: of the class that it maps, no label or mask is used.
Control images of the test part are those that findings are compared with, without the subject
itself. Rows of a cohort differ in the rule:

findings               as the command finds them
no controls            every image has a region: not compared with control images
map alone              compared by the height of the map alone, without the probability
other cohorts' share   the share of the maximum that is best, without controls, on the other cohorts
best threshold         of each image, by its mask: a bound for every rule of one threshold
"""

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.scan_findings import MaskScores
from hrcam.cohort import Cohort, Scan, open_cohort
from hrcam.cohort.reading import read_mask
from hrcam.evaluation.estimate import Estimate, wilson_interval
from hrcam.evaluation.finding_scores import score_findings, summarise_findings
from hrcam.evaluation.localisation import dice
from hrcam.findings import Findings, find_regions
from hrcam.mapping.ensemble import GridMaps, explain_batch
from hrcam.mapping.job import with_channels_of
from hrcam.mapping.scan_findings import find_in_scan
from hrcam.preparation.prepared_scan import PreparedScan, prepare_scan
from hrcam.training import Run
from hrcam.training.control_maps import control_rows
from hrcam.training.samples import Samples

COLUMNS = (
    "cohort", "network", "rule", "images", "dice", "dice_low", "dice_high", "iou", "lesions",
    "sensitivity", "sensitivity_low", "sensitivity_high", "false_positives", "without_finding",
    "controls", "controls_with_finding", "controls_low", "controls_high",
)  # fmt: skip
SHARES = tuple(np.arange(0.3, 0.85, 0.05).round(2).tolist())
_QUANTILES = np.concatenate([np.linspace(0.3, 0.95, 30), np.linspace(0.955, 0.999, 20)])


@dataclass(frozen=True, eq=False)
class Measured:
    """An unseen image with its findings by each rule."""

    group: str
    is_control: bool
    mask: NDArray[np.bool_] | None
    by_rule: dict[str, Findings]
    by_share: tuple[float, ...]
    bound: float

    @property
    def is_ill(self) -> bool:
        """Whether it is of a disease, with a mask that is not empty."""
        return not self.is_control and self.mask is not None and bool(self.mask.any())


def unseen_scans(run: Run, cohort: Cohort, most: int) -> list[tuple[Scan, PreparedScan]]:
    """Read up to ``most`` scans that the first fold has not learnt from."""
    tested = {row.scan for row in run.splits if 1 in row.tested_by}
    scans = [with_channels_of(run, scan) for scan in cohort.scans if scan.name in tested]
    chosen = np.random.default_rng(0).permutation(len(scans))[:most]
    return [(scans[index], prepare_scan(scans[index], run.preparation)) for index in sorted(chosen)]


def with_controls(run: Run, scans: Sequence[tuple[Scan, PreparedScan]]) -> Run:
    """Return the run with how high the maps of its unseen controls are."""
    if run.reference is None:
        return run
    samples = Samples(
        tuple(scan for scan, _ in scans),
        np.stack([reading.prepared.voxels for _, reading in scans]),
        np.array([run.classes.index(str(scan.label)) for scan, _ in scans]),
    )
    rows = control_rows(
        run.explainer(1),
        samples,
        np.arange(len(scans)),
        run.classes,
        run.classes.index(run.reference),
        batch_size=8,
        seed=0,
    )
    return replace(run, controls=tuple(rows))


def measure(run: Run, scan: Scan, reading: PreparedScan, maps: GridMaps) -> Measured:
    """Find the regions of one scan by every rule."""
    native = {kind: reading.prepared.to_native(values) for kind, values in maps.maps.items()}
    size = np.abs(native["pattern"])
    mask = None if scan.mask is None else read_mask(scan.mask, reading.space.empty_image())
    is_ill = mask is not None and bool(mask.any())
    alone = replace(run, controls=tuple(replace(row, probability=1.0) for row in run.controls))
    certain = replace(maps, outputs=np.zeros_like(maps.outputs))
    usual = find_in_scan(run, scan, reading, maps, native).findings
    thresholds = np.unique(np.quantile(size, _QUANTILES)) if is_ill else []
    return Measured(
        group=scan.group,
        is_control=run.reference is not None and scan.label == run.reference,
        mask=mask,
        by_rule={
            "findings": usual,
            "no controls": find_regions(
                native["pattern"],
                affine=reading.space.index_to_mm,
                smallest=usual.smallest,
            ),
            "map alone": find_in_scan(alone, scan, reading, certain, native).findings,
        },
        by_share=tuple(dice(size, mask, share * size.max()) for share in SHARES) if is_ill else (),
        bound=max((dice(size, mask, one) for one in thresholds), default=0.0),
    )


def measured(run: Run, cohort: Cohort, most: int) -> list[Measured]:
    """Measure every unseen scan of the first fold."""
    scans = unseen_scans(run, cohort, most)
    run = with_controls(run, scans)
    explainer = run.explainer(1)
    reference = None if run.reference is None else run.classes.index(run.reference)
    found = []
    for scan, reading in scans:
        voxels = reading.prepared.voxels[None]
        maps = explain_batch([explainer], voxels, None, reference)[0]
        found.append(measure(run, scan, reading, maps))
    return found


def row_of(rule: str, images: Sequence[Measured]) -> dict[str, object]:
    """Return the scores of one rule that gives regions."""
    ill = [one for one in images if one.is_ill]
    controls = [one for one in images if one.is_control]
    scores: list[MaskScores] = [score_findings(one.by_rule[rule].labels, one.mask) for one in ill]
    summary = summarise_findings(scores, [one.group for one in ill])
    called = sum(bool(one.by_rule[rule].regions) for one in controls)
    low, high = wilson_interval(called, len(controls)) if controls else ("", "")
    return {
        "images": len(ill),
        **_with_ends("dice", summary.dice),
        "iou": _number(summary.iou.value),
        "lesions": summary.lesions,
        **_with_ends("sensitivity", summary.sensitivity),
        "false_positives": _number(summary.false_positives.value),
        "without_finding": sum(not one.by_rule[rule].regions for one in ill),
        "controls": len(controls),
        "controls_with_finding": called if controls else "",
        "controls_low": _number(low),
        "controls_high": _number(high),
    }


def share_elsewhere(name: str, cohorts: dict[str, list[Measured]]) -> int:
    """Return the place in `SHARES` of the best mean Dice of the other cohorts."""
    means = [
        np.mean([one.by_share for one in images if one.is_ill], axis=0)
        for other, images in cohorts.items()
        if other != name
    ]
    return int(np.argmax(np.mean(means, axis=0)))


def _with_ends(name: str, one: Estimate) -> dict[str, object]:
    values = (one.value, one.low, one.high)
    names = (name, f"{name}_low", f"{name}_high")
    return {key: _number(value) for key, value in zip(names, values, strict=True)}


def _number(value: object) -> object:
    return f"{value:.3f}" if isinstance(value, float) else ("" if value is None else value)


def main() -> None:
    """Measure every run and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("runs", nargs="+", metavar="COHORT=RUN")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    cohorts, networks = {}, {}
    for pair in arguments.runs:
        cohort, run = map(Path, pair.split("=", 1))
        networks[cohort.name] = run.name
        cohorts[cohort.name] = measured(Run.open(run), open_cohort(cohort), arguments.images)
    with arguments.out.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        for name, images in cohorts.items():
            about = {"cohort": name, "network": networks[name]}
            for rule in images[0].by_rule:
                writer.writerow({**about, "rule": rule, **row_of(rule, images)})
            ill = [one for one in images if one.is_ill]
            by_share = np.mean([one.by_share for one in ill], axis=0)
            shares = {"best threshold": np.mean([one.bound for one in ill])}
            if len(cohorts) > 1:
                place = share_elsewhere(name, cohorts)
                shares[f"other cohorts' share, {SHARES[place]}"] = by_share[place]
            for rule, value in shares.items():
                row = {"rule": rule, "images": len(ill), "dice": f"{value:.3f}"}
                writer.writerow({**about, **row})


if __name__ == "__main__":
    main()
