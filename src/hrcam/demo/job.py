"""The whole job on a simulated cohort: simulate, train, fit, map, compare, report."""

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
from hrcam.benchmark.contest import EVIDENCE, PATTERN, Variant, contest_maps
from hrcam.demo.page import demo_page
from hrcam.demo.study import Study, StudyImages, run_study
from hrcam.networks import SmallCNN
from hrcam.report.figures.comparison import comparison_figure
from hrcam.report.figures.planes import Row
from hrcam.report.figures.scores import score_figure
from hrcam.report.figures.style import png
from hrcam.report.page.html import write_page
from hrcam.sanity.check_maps import Specimens, check_maps
from hrcam.sanity.cohort_maps import foreground
from hrcam.simulate import LesionCohort, simulate_images

logger = logging.getLogger(__name__)

# Test images in the figure, before the one without a lesion.
_EXAMPLES = 3
# Test images whose maps are checked, and those that untrained networks are fitted on.
_CHECKED, _REFERENCES = 16, 32


def run_demo(
    out: Path, *, subjects: int = 2000, epochs: int = 8, seed: int = 0, progress: bool = True
) -> Study:
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
    lesions = LesionCohort(subjects=subjects, strength=0.25, seed=seed)
    logger.info("simulating %d brain slices, half of them with lesions", subjects)
    images, labels, masks = simulate_images(lesions, progress=progress)
    test = np.array([lesions.split(index) == "test" for index in range(subjects)])
    cohort = StudyImages(images, labels, masks, test)
    torch.manual_seed(seed)
    study = run_study(
        cohort,
        SmallCNN(2, 1, 2),
        epochs=epochs,
        transform=_flip,
        bootstrap=16,
        seed=seed,
        progress=progress,
    )
    logger.info("checking the maps")
    sanity = _sanity(cohort, study, seed)
    logger.info("writing the report")
    comparison, scores = (
        png(comparison_figure(_rows(cohort, study))),
        png(score_figure(study.table)),
    )
    versions = versions_of("hrcam", "torch", "scikit-learn", "lightning", "nilearn", "numpy")
    manifest = {
        "simulated": True,
        "cohort": asdict(lesions),
        "epochs": epochs,
        "seed": seed,
        "seconds": round(time.monotonic() - started, 1),
        "accuracy": study.accuracy,
        "fidelity": study.explainer.fidelity,
        "levels": [level.name for level in study.explainer.levels],
        "versions": versions,
    }
    write_atomically(out / "comparison.png", comparison)
    write_atomically(out / "scores.png", scores)
    write_atomically(out / "results.csv", study.table.to_csv(index=False).encode())
    write_weights(study.explainer.model, out / NETWORK)
    study.explainer.save(out / EXPLAINER)
    write_atomically(out / MANIFEST, encode_json(manifest))
    write_page(demo_page(lesions, study, comparison, scores, sanity, versions), out / "report.html")
    return study


def _sanity(cohort: StudyImages, study: Study, seed: int) -> Sanity:
    """Check the maps of the class "lesion" on test images."""
    references = torch.from_numpy(cohort.images[cohort.test][:_REFERENCES])
    images = torch.from_numpy(cohort.images[study.indices[:_CHECKED]])
    whole = np.ones(images.shape[2:], bool)
    region = torch.from_numpy(np.stack([foreground(image.numpy(), whole) for image in images]))
    classes = torch.ones(len(images), dtype=torch.long)
    specimens = Specimens(images, classes, region, references)
    found = check_maps(study.explainer, specimens, seed=seed)
    columns = {"Image": images[:, 0], **found.maps}
    examples = Examples(
        tuple(columns),
        tuple((f"image {number + 1}", "lesion") for number in range(min(_EXAMPLES, len(images)))),
        torch.stack([maps[:_EXAMPLES] for maps in columns.values()], 1).numpy(),
    )
    return Sanity(found.checks, examples, "this network")


def _flip(image: torch.Tensor, draw: int) -> torch.Tensor:
    """Mirror half of the images left to right, as brains nearly are."""
    return image.flip(-1) if draw % 2 else image


def _rows(cohort: StudyImages, study: Study) -> list[Row]:
    """Return the rows of the figure: some lesions, and an image without any."""
    shown = _shown(study)
    rows = [
        Row(
            "lesion",
            cohort.images[index, 0],
            {variant.name: study.maps[variant][place] for variant in shown}
            | {"Truth": cohort.masks[index].astype(np.float32)},
            cohort.masks[index],
        )
        for place, index in enumerate(study.indices[:_EXAMPLES])
    ]
    normal = int(np.flatnonzero(cohort.test & (cohort.labels == 0))[0])
    image = torch.from_numpy(cohort.images[normal][None])
    maps = contest_maps(study.explainer, [(image, torch.ones(1, dtype=torch.long))])
    columns = {variant.name: maps[variant][0] for variant in shown}
    nothing = np.zeros(cohort.masks[normal].shape, np.float32)
    return [*rows, Row("no lesion", cohort.images[normal, 0], columns | {"Truth": nothing})]


def _shown(study: Study) -> list[Variant]:
    """Choose the columns of the figure: CAM, Grad-CAM, the best rival, and both HR-CAM maps."""
    ranked = study.variants
    ours = [Variant(EVIDENCE), Variant(PATTERN)]
    classics = [
        next(one for one in ranked if one.method == name and not one.fusion)
        for name in (CAM.name, GradCAM.name)
    ]
    best = next(one for one in ranked if one not in (*ours, *classics))
    return [*classics, best, *ours]
