"""HR-CAM and every rival on the networks of a run, where somebody has drawn masks.

    hrcam train COHORT --out RUN
    python examples/compare_methods.py RUN COHORT --out RESULTS

Of every scan with a mask, the fold that did not see it maps the true class by every method, in the
scan's own voxels. RESULTS gets table.md, with 95 % intervals over subjects, and comparison.png.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
import torch

from hrcam.cohort import Scan, open_cohort
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.evaluation.contest import (
    EVIDENCE,
    PATTERN,
    Maps,
    Variant,
    contest_maps,
    contest_scores,
    contest_table,
    finalists,
    lead,
)
from hrcam.files import write_atomically
from hrcam.report.comparison import comparison_figure
from hrcam.report.figures import save_png
from hrcam.report.planes import Row
from hrcam.text_table import with_interval
from hrcam.training import Run

_EXAMPLES = 4
_BATCH = 16

logger = logging.getLogger("compare_methods")


def scans_by_fold(run: Run, scans: tuple[Scan, ...]) -> dict[int, list[Scan]]:
    """Return the scans that have a mask and that a fold has not seen, by that fold."""
    chosen: dict[int, list[Scan]] = {}
    for scan in scans:
        if scan.mask is None or scan.label not in run.classes:
            continue
        image = read_scan(scan)
        folds, seen = run.folds_for(scan, voxel_hash(image))
        if not seen and len(folds) == 1 and read_mask(scan.mask, image).any():
            chosen.setdefault(folds[0], []).append(scan)
    return dict(sorted(chosen.items()))


def map_fold(run: Run, fold: int, scans: list[Scan]) -> dict[Variant, Maps]:
    """Return the maps of every variant, each in the voxels of its scan."""
    explainer = run.explainer(fold)
    maps: dict[Variant, Maps] = {}
    for start in range(0, len(scans), _BATCH):
        part = scans[start : start + _BATCH]
        prepared = [run.preparation.apply(read_scan(scan)) for scan in part]
        images = torch.from_numpy(np.stack([one.voxels for one in prepared]))
        classes = torch.tensor([run.classes.index(str(scan.label)) for scan in part])
        for variant, stack in contest_maps(explainer, [(images, classes)]).items():
            native = (one.to_native(values) for one, values in zip(prepared, stack, strict=True))
            maps.setdefault(variant, []).extend(native)
    return maps


def as_markdown(run: Run, scores: dict, variants: list[Variant], count: int) -> str:
    """Return the table, and the ratio of the pattern to the best rival."""
    seed = run.config.seed
    lines = [
        f"{count} scans with a mask, each mapped by the fold that did not see it.",
        "",
        "| map of the true class | AUPRC | pointing | Dice |",
        "|---|---|---|---|",
    ]
    for row in contest_table(scores, variants, seed).to_dict("records"):
        cells = (
            with_interval(row[score], row[f"{score}_low"], row[f"{score}_high"])
            for score in ("auprc", "pointing", "dice")
        )
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    for fused, which in ((False, "at its best level"), (True, "of all, fused ones included")):
        best = lead(scores, fused=fused, seed=seed)
        lines += [
            "",
            f"AUPRC of the HR-CAM pattern over that of the best rival {which} "
            f"({best.rival.name}): {with_interval(best.ratio, best.low, best.high)}, paired.",
        ]
    return "\n".join(lines) + "\n"


def figure_rows(scans: list[Scan], maps: dict[Variant, Maps], variants: list[Variant]) -> list[Row]:
    """Return some scans, evenly spread, with the best rivals' and both HR-CAM maps."""
    ours = [Variant(EVIDENCE), Variant(PATTERN)]
    shown = [*[one for one in variants if one not in ours][:2], *ours]
    rows = []
    for place in range(0, len(scans), max(1, len(scans) // _EXAMPLES)):
        scan = scans[place]
        image = read_scan(scan)
        columns = {variant.name: maps[variant][place] for variant in shown}
        mask = read_mask(scan.mask, image)
        rows.append(Row(str(scan.label), image.voxels[0], columns, mask))
    return rows[:_EXAMPLES]


def main() -> None:
    """Map, score, and write the table and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("cohort", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run = Run.open(arguments.run)
    by_fold = scans_by_fold(run, open_cohort(arguments.cohort).scans)
    if not by_fold:
        raise SystemExit("no scan has a mask and a fold that did not see it")
    scans = [scan for several in by_fold.values() for scan in several]
    maps: dict[Variant, Maps] = {}
    for fold, several in by_fold.items():
        logger.info("fold %d maps %d scans by every method", fold, len(several))
        for variant, stack in map_fold(run, fold, several).items():
            maps.setdefault(variant, []).extend(stack)
    masks = [read_mask(scan.mask, read_scan(scan)) for scan in scans]
    scores = contest_scores(maps, masks, run.config.seed)
    variants = finalists(scores)
    text = as_markdown(run, scores, variants, len(scans))
    write_atomically(arguments.out / "table.md", text.encode())
    figure = comparison_figure(figure_rows(scans, maps, variants))
    save_png(figure, arguments.out / "comparison.png")
    print(text)


if __name__ == "__main__":
    main()
