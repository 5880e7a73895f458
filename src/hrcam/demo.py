"""The whole job on a simulated cohort: simulate, train, fit, map, compare, report."""

import json
import logging
import platform
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors.torch import save

from hrcam.baselines import CAM, GradCAM
from hrcam.demo_page import demo_page
from hrcam.evaluation.contest import (
    EVIDENCE,
    PATTERN,
    Maps,
    Variant,
    contest_maps,
    contest_scores,
    contest_table,
    finalists,
)
from hrcam.explainer import HRCAM
from hrcam.files import write_atomically
from hrcam.networks import SmallCNN
from hrcam.report.comparison import comparison_figure
from hrcam.report.figures import png
from hrcam.report.html import write_page
from hrcam.report.planes import Row
from hrcam.report.scores import score_figure
from hrcam.simulate import LesionCohort, simulate_images
from hrcam.training import ImageDataset, train_classifier

logger = logging.getLogger(__name__)

_BATCH = 32
# Of the figure: as many test images as a page shows well, the last of them without a lesion.
_EXAMPLES = 4
_REFITS = 16


@dataclass(frozen=True)
class DemoResult:
    """What the demo found.

    Attributes
    ----------
    accuracy
        Of the network, on the test images.
    fidelity
        R² of the HR-CAM head for the network's logits, on held-out folds.
    table
        Localisation on the test images with lesions, one row per method.
    report
        The HTML page.
    """

    accuracy: float
    fidelity: float
    table: pd.DataFrame
    report: Path


def run_demo(
    out: Path, *, subjects: int = 2000, epochs: int = 8, seed: int = 0, progress: bool = True
) -> DemoResult:
    """Simulate a cohort, train a CNN, fit HR-CAM, and measure it against its rivals.

    Parameters
    ----------
    out
        Folder for ``report.html``, ``results.csv``, the figures, the network and the fitted
        explainer; made if missing.
    subjects, epochs
        Size of the simulated cohort and length of the training.
    seed
        Of everything random.
    progress
        Show bars on a terminal.
    """
    started = time.monotonic()
    cohort = LesionCohort(subjects=subjects, strength=0.25, seed=seed)
    logger.info("simulating %d brain slices, half of them with lesions", subjects)
    images, labels, masks = simulate_images(cohort, progress=progress)
    test = np.array([cohort.split(index) == "test" for index in range(subjects)])

    logger.info("training a CNN on %d of them", int((~test).sum()))
    torch.manual_seed(seed)
    network = SmallCNN(2, 1, 2)
    train_classifier(
        network,
        ImageDataset(images[~test], labels[~test], _flip),
        epochs=epochs,
        batch_size=16,
        seed=seed,
        progress=progress,
    )
    accuracy = _accuracy(network, images[test], labels[test])

    logger.info("fitting HR-CAM to the CNN's logits")
    explainer = HRCAM(network).fit(
        _batches(images[~test]), target="logits", bootstrap=_REFITS, seed=seed
    )

    lesions = test & (labels == 1)
    logger.info("mapping %d test images with lesions by every method", int(lesions.sum()))
    maps = contest_maps(
        explainer,
        [(batch, torch.ones(len(batch), dtype=torch.long)) for batch in _batches(images[lesions])],
        progress=progress,
    )
    scores = contest_scores(maps, list(masks[lesions]), seed)
    chosen = finalists(scores)
    table = contest_table(scores, chosen, seed)

    logger.info("writing the report")
    result = DemoResult(accuracy, explainer.fidelity, table, out / "report.html")
    control = test & (labels == 0)
    normal = contest_maps(explainer, [(_batches(images[control][:1])[0], torch.ones(1).long())])
    shown = _shown(table, chosen)
    rows = [
        *_rows("lesion", images[lesions], maps, shown, masks[lesions], _EXAMPLES - 1),
        *_rows("no lesion", images[control], normal, shown, masks[control], 1),
    ]
    figures = {"comparison": comparison_figure(rows), "scores": score_figure(table)}
    pictures = {name: png(figure) for name, figure in figures.items()}
    for name, picture in pictures.items():
        write_atomically(out / f"{name}.png", picture)
    write_atomically(out / "results.csv", table.to_csv(index=False).encode())
    write_atomically(out / "network.safetensors", save(network.state_dict()))
    explainer.save(out / "explainer")
    manifest = {
        "simulated": True,
        "cohort": asdict(cohort),
        "epochs": epochs,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "accuracy": accuracy,
        "fidelity": explainer.fidelity,
        "levels": [level.name for level in explainer.levels],
        "level_weights": explainer.level_weights.tolist(),
        "versions": _versions(),
    }
    write_atomically(out / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())
    write_page(
        demo_page(
            cohort, accuracy, explainer, table, pictures["comparison"], pictures["scores"],
            _versions(),
        ),
        result.report,
    )  # fmt: skip
    return result


def _flip(image: torch.Tensor) -> torch.Tensor:
    """Mirror half of the images left to right, as brains nearly are."""
    return image.flip(-1) if torch.rand(()) < 0.5 else image


def _batches(images: NDArray[np.float32]) -> list[torch.Tensor]:
    return list(torch.split(torch.from_numpy(images), _BATCH))


def _accuracy(
    network: torch.nn.Module, images: NDArray[np.float32], labels: NDArray[np.int64]
) -> float:
    with torch.no_grad():
        predicted = torch.cat([network(batch).argmax(1) for batch in _batches(images)])
    return float(np.mean(predicted.numpy() == labels))


def _shown(table: pd.DataFrame, variants: list[Variant]) -> list[Variant]:
    """Choose the columns of the figure: CAM, Grad-CAM, the best rival, and both HR-CAM maps."""
    by_name = {variant.name: variant for variant in variants}
    ranked = [by_name[name] for name in table["method"]]
    ours = [Variant(EVIDENCE), Variant(PATTERN)]
    classics = [
        next(one for one in ranked if one.method == name and not one.fusion)
        for name in (CAM.name, GradCAM.name)
    ]
    best = next(one for one in ranked if one not in (*ours, *classics))
    return [*classics, best, *ours]


def _rows(
    label: str,
    images: NDArray[np.float32],
    maps: dict[Variant, Maps],
    shown: list[Variant],
    masks: NDArray[np.bool_],
    count: int,
) -> list[Row]:
    return [
        Row(
            label,
            images[index, 0],
            {variant.name: maps[variant][index] for variant in shown}
            | {"Truth": masks[index].astype(np.float32)},
            masks[index],
        )
        for index in range(min(count, len(images)))
    ]


def _versions() -> dict[str, str]:
    names = ("hrcam", "torch", "scikit-learn", "monai", "nilearn", "numpy")
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
