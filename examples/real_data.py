"""The demo's job on real images: breast ultrasound (2D) and hippocampus MRI (3D).

    python examples/real_data.py busi DATA/busi --out RESULTS
    python examples/real_data.py hippocampus DATA/msd_hippocampus_3d --out RESULTS

Each writes RESULTS/NAME.md, the table of docs/results.md, and RESULTS/NAME.png. With --quick it
takes a few images and one epoch, to see that everything runs.
"""

import argparse
import dataclasses
import logging
import sys
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
import torch
from monai.transforms import Compose, RandAffine, RandFlip, RandGaussianNoise, SpatialPad
from PIL import Image
from sklearn.model_selection import train_test_split

from hrcam.evaluation.contest import EVIDENCE, PATTERN, lead
from hrcam.networks import SmallCNN
from hrcam.report.comparison import comparison_figure
from hrcam.report.figures import save_png
from hrcam.report.planes import Row
from hrcam.study import Cohort, Study, run_study
from hrcam.text_table import with_interval
from hrcam.training.images import Transform

ULTRASOUND_SIZE = 128
ULTRASOUND_LABELS = {"normal": 0, "benign": 1, "malignant": 2}
HIPPOCAMPUS_SHAPE = (48, 64, 48)
HIPPOCAMPUS_LABELS = {"small": 0, "large": 1}


def ultrasound(folder: Path) -> Cohort:
    """Read breast ultrasound: three classes, its own split, masks for the test images."""
    table = pd.read_csv(folder / "participants.tsv", sep="\t", na_values="n/a")
    size = (ULTRASOUND_SIZE, ULTRASOUND_SIZE)
    images, masks = [], []
    for row in table.itertuples():
        with Image.open(folder / row.image) as picture:
            pixels = np.asarray(picture.convert("L").resize(size, Image.Resampling.BILINEAR))
        images.append(standardised(pixels.astype(np.float32)))
        mask = np.zeros(size, bool)
        if isinstance(row.mask, str):
            with Image.open(folder / row.mask) as picture:
                mask = np.asarray(picture.convert("L").resize(size, Image.Resampling.NEAREST)) > 0
        masks.append(mask)
    return Cohort(
        np.stack(images)[:, None],
        table["label"].map(ULTRASOUND_LABELS).to_numpy(),
        np.stack(masks),
        (table["split"] == "test").to_numpy(),
    )


def hippocampus(folder: Path) -> Cohort:
    """Read hippocampus volumes, large against small: 31 to 43 voxels wide, padded to one shape.

    The class comes from the mask's volume, so the evidence is known to lie in the mask. A quarter
    is for testing, stratified by class.
    """
    table = pd.read_csv(folder / "participants.tsv", sep="\t", na_values="n/a")
    pad = SpatialPad(HIPPOCAMPUS_SHAPE)
    images, masks, regions = [], [], []
    for row in table.itertuples():
        volume = np.asarray(nibabel.load(folder / row.image).dataobj, dtype=np.float32)
        mask = np.asarray(nibabel.load(folder / row.mask).dataobj) > 0
        images.append(pad(standardised(volume)[None]).numpy())
        masks.append(pad(mask[None].astype(np.uint8)).numpy()[0] > 0)
        regions.append(padded_region(volume.shape))
    labels = table["label"].map(HIPPOCAMPUS_LABELS).to_numpy()
    _, chosen = train_test_split(
        np.arange(len(labels)), test_size=0.25, stratify=labels, random_state=0
    )
    test = np.isin(np.arange(len(labels)), chosen)
    return Cohort(np.stack(images), labels, np.stack(masks), test, regions)


def standardised(image: np.ndarray) -> np.ndarray:
    """Give an image zero mean and unit spread: scanners scale intensities as they like."""
    return (image - image.mean()) / image.std()


def padded_region(shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Return where a volume lies in its padded grid, which has the odd voxel at the end."""
    starts = [(whole - size) // 2 for whole, size in zip(HIPPOCAMPUS_SHAPE, shape, strict=True)]
    return tuple(slice(start, start + size) for start, size in zip(starts, shape, strict=True))


def augmentation(axes: int, flip: int) -> Transform:
    """Return what is drawn anew for each training image: mirror, shift, turn, noise."""
    changes = Compose(
        [
            RandFlip(0.5, spatial_axis=flip),
            RandAffine(
                0.8,
                rotate_range=[0.15] * (1 if axes == 2 else 3),
                translate_range=[6 if axes == 2 else 2] * axes,
                padding_mode="border",
            ),
            RandGaussianNoise(0.5, std=0.1),
        ]
    )
    return lambda image, draw: changes.set_random_state(draw)(image)


def quick(cohort: Cohort) -> Cohort:
    """Keep a few images of each class and split."""
    keep: list[int] = []
    for label in np.unique(cohort.labels):
        for test in (False, True):
            keep += np.flatnonzero((cohort.labels == label) & (cohort.test == test))[:8].tolist()
    fields = {name: getattr(cohort, name)[keep] for name in ("images", "labels", "masks", "test")}
    regions = None if cohort.regions is None else [cohort.regions[index] for index in keep]
    return dataclasses.replace(cohort, **fields, regions=regions)


def written(title: str, cohort: Cohort, study: Study, seed: int) -> str:
    """Return the study as Markdown: numbers of images, accuracy, table, ratio to the best rival."""
    lines = [
        f"## {title}",
        "",
        f"{int((~cohort.test).sum())} training and {int(cohort.test.sum())} test images, of which "
        f"{len(study.indices)} with a mask are mapped; seed {seed}. Accuracy of the CNN on the "
        f"test images {study.accuracy:.3f}; fidelity of the HR-CAM head (R² on held-out folds) "
        f"{study.explainer.fidelity:.3f}.",
        "",
        "| map of the true class | AUPRC | pointing | Dice |",
        "|---|---|---|---|",
    ]
    for row in study.table.to_dict("records"):
        cells = (
            with_interval(row[score], row[f"{score}_low"], row[f"{score}_high"])
            for score in ("auprc", "pointing", "dice")
        )
        lines.append(f"| {row['method']} | {' | '.join(cells)} |")
    for fused, which in ((False, "at its best level"), (True, "of all, fused ones included")):
        best = lead(study.scores, fused=fused, seed=seed)
        lines += [
            "",
            f"AUPRC of the HR-CAM pattern over that of the best rival {which} "
            f"({best.rival.name}): {best.ratio:.2f} ({best.low:.2f} to {best.high:.2f}, paired).",
        ]
    return "\n".join(lines) + "\n"


def figure_rows(cohort: Cohort, study: Study, count: int = 4) -> list[Row]:
    """Return the first mapped images with the best rival's and both HR-CAM maps."""
    ours = [v for v in study.variants if v.name in (PATTERN, EVIDENCE)]
    rivals = [v for v in study.variants if v not in ours][:2]
    rows = []
    for place, index in list(enumerate(study.indices))[:: max(1, len(study.indices) // count)]:
        region = cohort.region(index)
        maps = {variant.name: study.maps[variant][place] for variant in (*rivals, *ours)}
        image, mask = cohort.images[index, 0][region], cohort.masks[index][region]
        rows.append(Row(f"class {cohort.labels[index]}", image, maps, mask))
    return rows[:count]


def main() -> None:
    """Run one study and write its table and figure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("cohort", choices=("busi", "hippocampus"))
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(arguments.seed)
    if arguments.cohort == "busi":
        title, cohort, epochs = "Breast ultrasound (BUSI)", ultrasound(arguments.data), 30
        network, transform = SmallCNN(2, 1, 3), augmentation(2, flip=1)
    else:
        title, cohort, epochs = "Hippocampus, large against small", hippocampus(arguments.data), 20
        network, transform = SmallCNN(3, 1, 2, (8, 16, 32, 64)), augmentation(3, flip=0)
    if arguments.quick:
        cohort, epochs = quick(cohort), 1
    study = run_study(
        cohort,
        network,
        epochs=epochs,
        transform=transform,
        seed=arguments.seed,
        progress=sys.stderr.isatty(),
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    text = written(title, cohort, study, arguments.seed)
    (arguments.out / f"{arguments.cohort}.md").write_text(text, encoding="utf-8")
    save_png(
        comparison_figure(figure_rows(cohort, study)), arguments.out / f"{arguments.cohort}.png"
    )
    print(text)


if __name__ == "__main__":
    main()
