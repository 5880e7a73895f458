"""Run the demo: simulate, train, fit, map, compare, report."""

import logging
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import encode_json
from hrcam.artifacts.manifest import MANIFEST, versions_of
from hrcam.artifacts.network_weights import write_weights
from hrcam.artifacts.run_folder import EXPLAINER, NETWORK
from hrcam.artifacts.sanity_record import Examples, Sanity
from hrcam.baselines import CAM, GradCAM
from hrcam.benchmark.method_maps import method_maps
from hrcam.benchmark.variant import PAPER, PATTERN, Stage, Variant
from hrcam.demo.experiment import ExperimentResult, LabelledImages, run_experiment
from hrcam.demo.method_scores import compare_with_best_rival
from hrcam.demo.page import demo_page
from hrcam.networks import SmallCNN
from hrcam.report.figures.comparison import comparison_figure
from hrcam.report.figures.planes import Row
from hrcam.report.figures.scores import score_figure
from hrcam.report.figures.style import png
from hrcam.report.page.html import write_page
from hrcam.sanity.model_free_bounds import MaskedImages
from hrcam.sanity.run_checks import CheckInputs, check_maps, foreground
from hrcam.simulate import LesionCohort, simulate_images

logger = logging.getLogger(__name__)

# Test images in the figure, before the one without a lesion.
_EXAMPLES = 3
# Numbers of test images for the sanity checks, and for refitting to untrained networks.
_CHECKED, _REFERENCES = 16, 32


def run_demo(
    out: Path, *, subjects: int = 2000, epochs: int = 8, seed: int = 0, progress: bool = True
) -> ExperimentResult:
    """Simulate a cohort, train a CNN, fit HR-CAM, and compare it with other methods.

    Parameters
    ----------
    out
        Folder for ``report.html``, ``results.csv``, the figures, the network and the fitted
        explainer; created if missing.
    subjects, epochs
        Number of simulated subjects, and of training epochs.
    seed
        Random seed.
    progress
        Show progress bars on a terminal.
    """
    started = time.monotonic()
    lesions = LesionCohort(subjects=subjects, strength=0.25, seed=seed)
    logger.info("simulating %d brain slices, half of them with lesions", subjects)
    images, labels, masks = simulate_images(lesions, progress=progress)
    test = np.array([lesions.split(index) == "test" for index in range(subjects)])
    cohort = LabelledImages(images, labels, masks, test)
    torch.manual_seed(seed)
    result = run_experiment(
        cohort,
        SmallCNN(2, 1, 2),
        epochs=epochs,
        transform=_flip,
        bootstrap=16,
        seed=seed,
        progress=progress,
    )
    logger.info("checking the maps")
    sanity = _sanity(cohort, result, seed)
    logger.info("writing the report")
    comparison, scores = (
        png(comparison_figure(_rows(cohort, result))),
        png(score_figure(result.table)),
    )
    versions = versions_of("hrcam", "torch", "scikit-learn", "lightning", "nilearn", "numpy")
    manifest = {
        "simulated": True,
        "cohort": asdict(lesions),
        "epochs": epochs,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "accuracy": result.accuracy,
        "fidelity": result.explainer.fidelity,
        "levels": [level.name for level in result.explainer.levels],
        "versions": versions,
    }
    write_atomically(out / "comparison.png", comparison)
    write_atomically(out / "scores.png", scores)
    write_atomically(out / "results.csv", result.table.to_csv(index=False).encode())
    write_weights(result.explainer.model, out / NETWORK)
    result.explainer.save(out / EXPLAINER)
    write_atomically(out / MANIFEST, encode_json(manifest))
    write_page(
        demo_page(lesions, result, comparison, scores, sanity, versions), out / "report.html"
    )
    return result


def _sanity(cohort: LabelledImages, result: ExperimentResult, seed: int) -> Sanity:
    """Check the maps of the class "lesion" on test images."""
    references = torch.from_numpy(cohort.images[cohort.test][:_REFERENCES])
    images = torch.from_numpy(cohort.images[result.indices[:_CHECKED]])
    whole = np.ones(images.shape[2:], bool)
    region = torch.from_numpy(np.stack([foreground(image.numpy(), whole) for image in images]))
    classes = torch.ones(len(images), dtype=torch.long)
    masks = torch.from_numpy(cohort.masks[result.indices[:_CHECKED]])
    names = tuple(map(str, result.indices[:_CHECKED]))
    masked = MaskedImages(images, classes, region, masks, names)
    inputs = CheckInputs(images, classes, region, references, masked)
    found = check_maps(result.explainer, inputs, seed=seed)
    columns = {"Image": images[:, 0], **found.maps}
    examples = Examples(
        tuple(columns),
        tuple((f"image {number + 1}", "lesion") for number in range(min(_EXAMPLES, len(images)))),
        torch.stack([maps[:_EXAMPLES] for maps in columns.values()], 1).numpy(),
    )
    return Sanity(found.checks, examples, "this network")


def _flip(image: torch.Tensor, draw: int) -> torch.Tensor:
    """Mirror images left to right, with a probability of one half."""
    return image.flip(-1) if draw % 2 else image


def _rows(cohort: LabelledImages, result: ExperimentResult) -> list[Row]:
    """Return the rows of the figure: some lesions, and an image without any."""
    shown = _shown(result)
    rows = [
        Row(
            "lesion",
            cohort.images[index, 0],
            {variant.name: result.maps[variant][place] for variant in shown}
            | {"Truth": cohort.masks[index].astype(np.float32)},
            cohort.masks[index],
        )
        for place, index in enumerate(result.indices[:_EXAMPLES])
    ]
    normal = int(np.flatnonzero(cohort.test & (cohort.labels == 0))[0])
    image = torch.from_numpy(cohort.images[normal][None])
    maps = method_maps(result.explainer, result.paper, [(image, torch.ones(1, dtype=torch.long))])
    columns = {variant.name: maps[variant][0] for variant in shown}
    nothing = np.zeros(cohort.masks[normal].shape, np.float32)
    return [*rows, Row("no lesion", cohort.images[normal, 0], columns | {"Truth": nothing})]


def _shown(result: ExperimentResult) -> list[Variant]:
    """Return the columns of the figure: published methods, the best rivals, and the pattern."""
    classics = [
        next(one for one in result.settings if one.method == name and not one.fusion)
        for name in (CAM.name, GradCAM.name)
    ]
    rivals = [compare_with_best_rival(result.auprc, stage).rival for stage in Stage]
    ours = [Variant(PATTERN, stage=stage) for stage in Stage]
    return [*classics, Variant(PAPER), *rivals, *ours]
