"""HR-CAM and its rivals on trained networks, every map as read and refined alike.

    python benchmarks/stages.py COHORT RUN [RUN ...] --out stages.csv [--images 60]

Each RUN is a folder that ``hrcam train COHORT`` wrote. Maps are of the true class of unseen images
with a mask, scored in the images' own voxels. The rows of a run are HR-CAM's maps, and of every
rival the best level at each stage, chosen with the masks, and every fusion of levels. A ratio is
that of the mean AUPRC of HR-CAM's pattern to the row's at the same stage, with a paired bootstrap
interval over groups. Rows are appended to an existing file.
"""

import argparse
import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from hrcam import HRCAM
from hrcam.benchmark.images.fold_images import FoldImages, seen_images, unseen_images
from hrcam.benchmark.images.measured import subset
from hrcam.benchmark.method_maps import method_maps
from hrcam.benchmark.variant import HRCAM_VARIANTS, PATTERN, Variant, best_variants
from hrcam.cohort import Cohort, open_cohort
from hrcam.evaluation.bootstrap import paired_ratio_interval
from hrcam.evaluation.localisation import auprc, pointing
from hrcam.training import Run

COLUMNS = (
    "cohort", "network", "method", "level", "fusion", "stage",
    "auprc", "pointing", "ratio", "low", "high", "images",
)  # fmt: skip
# Training images that the head of HR-CAM (2019) is fitted to.
_SEEN = 600
_BATCH = {2: 8, 3: 1}


def measured_images(run: Run, cohort: Cohort, most: int) -> FoldImages:
    """Return up to ``most`` unseen images of the first fold that have a lesion."""
    images = unseen_images(run, cohort.scans)[0]
    order = np.random.default_rng(0).permutation(len(images.scans))
    ill = [
        index for index in order if images.masks[index] is not None and images.masks[index].any()
    ]
    return subset(images, ill[:most])


def paper_of(run: Run, cohort: Cohort, explainer: HRCAM) -> HRCAM:
    """Fit the head of HR-CAM (2019), on labels, to the network of the first fold."""
    seen = seen_images(run, 1, cohort.scans, most=_SEEN)
    batches = list(zip(seen.voxels().split(16), seen.classes.split(16), strict=True))
    return HRCAM(explainer.model, [level.name for level in explainer.levels]).fit(batches)


def scores(
    run: Run, cohort: Cohort, images: FoldImages
) -> tuple[dict[Variant, list[float]], dict[Variant, list[bool]]]:
    """Return AUPRC and pointing of every map of every image."""
    explainer = run.explainer(1)
    paper = paper_of(run, cohort, explainer)
    precision: dict[Variant, list[float]] = {}
    hits: dict[Variant, list[bool]] = {}
    size = _BATCH[images.prepared[0].voxels.ndim - 1]
    for start in range(0, len(images.scans), size):
        batch = (images.voxels(start, start + size), images.classes[start : start + size])
        maps = method_maps(explainer, paper, [batch])
        for place in range(len(batch[0])):
            index = start + place
            stack = np.stack([of_all[place] for of_all in maps.values()])
            native = images.prepared[index].to_native(stack)
            for variant, values in zip(maps, native, strict=True):
                precision.setdefault(variant, []).append(auprc(values, images.masks[index]))
                hits.setdefault(variant, []).append(pointing(values, images.masks[index]))
    return precision, hits


def rows(run: Run, cohort: Cohort, most: int) -> Iterator[dict[str, object]]:
    """Yield the rows of one run."""
    images = measured_images(run, cohort, most)
    precision, hits = scores(run, cohort, images)
    groups = [scan.group for scan in images.scans]
    means = {variant: float(np.mean(values)) for variant, values in precision.items()}
    rivals = {one: mean for one, mean in means.items() if one not in HRCAM_VARIANTS}
    fused = [one for one in rivals if one.fusion]
    single = [one for one in best_variants(rivals) if not one.fusion]
    for variant in (*HRCAM_VARIANTS, *single, *fused):
        ours = precision[Variant(PATTERN, stage=variant.stage)]
        low, high = paired_ratio_interval(ours, precision[variant], groups=groups)
        yield {
            "method": variant.method,
            "level": variant.level,
            "fusion": variant.fusion,
            "stage": variant.stage,
            "auprc": f"{means[variant]:.3f}",
            "pointing": f"{np.mean(hits[variant]):.2f}",
            "ratio": f"{np.mean(ours) / means[variant]:.2f}",
            "low": f"{low:.2f}",
            "high": f"{high:.2f}",
            "images": len(images.scans),
        }


def main() -> None:
    """Measure every run and write the rows."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("cohort", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=60)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    cohort = open_cohort(arguments.cohort)
    for folder in arguments.runs:
        found = list(rows(Run.open(folder), cohort, arguments.images))
        new = not arguments.out.exists()
        with arguments.out.open("a", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            for row in found:
                writer.writerow({"cohort": arguments.cohort.name, "network": folder.name, **row})


if __name__ == "__main__":
    main()
