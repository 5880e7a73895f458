"""Maps of control images by a network that had not learnt from them."""

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.control_table import ControlRow
from hrcam.explainer import HRCAM
from hrcam.model.inputs import to_device_of
from hrcam.training.samples import Samples
from hrcam.training.tasks import Targets

MOST = 200
"""Control images of a fold that are mapped; more would not change what is rare among them."""


def control_rows(
    explainer: HRCAM,
    samples: Samples,
    test: NDArray[np.int64],
    classes: tuple[str, ...],
    reference: int,
    *,
    batch_size: int,
    seed: int,
) -> list[ControlRow]:
    """Return how high the maps of a fold's control images are, for every other class.

    Parameters
    ----------
    explainer
        Of the fold.
    samples
        The cohort.
    test
        Indices of the fold's test scans; of more than `MOST` controls some are drawn.
    classes
        Names of the classes.
    reference
        Index of the class of the controls.
    batch_size
        Images that are explained at once.
    seed
        Of the draw.
    """
    controls = controls_among(test, samples.targets, reference, seed)
    others = [index for index in range(len(classes)) if index != reference]
    rows = []
    for start in range(0, len(controls), batch_size):
        batch = controls[start : start + batch_size]
        scans = [samples.scans[index] for index in batch]
        images = to_device_of(explainer.model, torch.from_numpy(samples.images[batch]))
        for each in others:
            explanation = explainer.explain(images, each)
            of_classes = explanation.predictor_logits.double().softmax(1)
            probabilities = 1 - of_classes[:, reference]
            peaks = explanation.pattern.abs().flatten(1).amax(1)
            rows += [
                ControlRow(scan.name, scan.group, classes[each], probability, peak)
                for scan, probability, peak in zip(
                    scans, probabilities.tolist(), peaks.tolist(), strict=True
                )
            ]
    return rows


def controls_among(
    test: NDArray[np.int64], labels: Targets, reference: int, seed: int
) -> NDArray[np.int64]:
    """Return the indices of the control images that are mapped: at most `MOST`, in order."""
    controls: NDArray[np.int64] = test[labels[test] == reference]
    if len(controls) > MOST:
        controls = np.sort(np.random.default_rng(seed).choice(controls, MOST, replace=False))
    return controls
