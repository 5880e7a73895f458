"""One explanation of an image from the networks of several folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.scan_record import HEAD, NETWORK
from hrcam.explainer import HRCAM
from hrcam.explanation import Explanation


@dataclass(frozen=True)
class GridMaps:
    """Prediction and maps of one image by an ensemble, on the grid of the network.

    Attributes
    ----------
    predicted, explained
        Class indices: the most probable class, and the class that the maps explain.
    predictor
        Source of the prediction and probabilities: `NETWORK`, or `HEAD` if the HR-CAM head was
        fitted to the labels and is a classifier of its own.
    probabilities
        Probability of each class, shape (K,), the mean over the networks.
    logit, bias
        Logit and bias of the explained class by the HR-CAM heads; the mean of the evidence plus
        the bias is the logit.
    level_contributions
        Mean evidence of each level; their sum plus the bias is the logit.
    maps
        "evidence", "pattern" and, if the heads were refitted on resampled subjects, "std", each
        of the grid's shape.
    """

    predicted: int
    explained: int
    predictor: str
    probabilities: NDArray[np.float64]
    logit: float
    bias: float
    level_contributions: dict[str, float]
    maps: dict[str, NDArray[np.float32]]


def explain_image(
    explainers: Sequence[HRCAM], voxels: NDArray[np.float32], wanted: int | None
) -> GridMaps:
    """Explain one prepared image by several networks, and average the results.

    The prediction is the class with the highest mean probability. Evidence, pattern and bias are
    averaged for one class, so that the mean evidence plus the bias is still the (mean) logit.
    Standard deviations are combined by the root mean square.

    Parameters
    ----------
    explainers
        One per fold, all on one device.
    voxels
        Shape (C, *grid).
    wanted
        Index of the class to explain; None for the predicted one.
    """
    device = next(explainers[0].model.parameters()).device
    images = torch.from_numpy(voxels)[None].to(device)
    first = [explainer.explain(images, wanted) for explainer in explainers]
    probabilities = np.mean([_probabilities(one) for one in first], axis=0)
    predicted = int(probabilities.argmax())
    explained = predicted if wanted is None else wanted
    # Explain again where a network predicted another class.
    explanations = [
        one if int(one.classes[0]) == explained else explainer.explain(images, explained)
        for one, explainer in zip(first, explainers, strict=True)
    ]

    def mean(value: Callable[[Explanation], torch.Tensor]) -> torch.Tensor:
        return torch.stack([value(one)[0].double() for one in explanations]).mean(0)

    maps = {"evidence": mean(lambda one: one.evidence), "pattern": mean(lambda one: one.pattern)}
    deviations = [one.std for one in explanations if one.std is not None]
    if len(deviations) == len(explanations):
        maps["std"] = torch.stack([std[0].double() ** 2 for std in deviations]).mean(0).sqrt()
    by_level = [one.by_level for one in explanations]
    return GridMaps(
        predicted=predicted,
        explained=explained,
        predictor=HEAD if explanations[0].model_logits is None else NETWORK,
        probabilities=probabilities,
        logit=float(mean(lambda one: one.logits[:, explained])),
        bias=float(mean(lambda one: one.bias)),
        level_contributions={
            level: float(np.mean([float(shares[level].double().mean()) for shares in by_level]))
            for level in by_level[0]
        },
        maps={name: values.float().cpu().numpy() for name, values in maps.items()},
    )


def _probabilities(explanation: Explanation) -> NDArray[np.float64]:
    """Return the probabilities, shape (K,): the network's if the head fits its logits."""
    logits = explanation.model_logits
    if logits is None:
        logits = explanation.logits
    probabilities: NDArray[np.float64] = logits[0].double().softmax(0).cpu().numpy()
    return probabilities
