"""One explanation of each image from the networks of several folds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.scan_record import HEAD, NETWORK
from hrcam.explainer import HRCAM
from hrcam.explanation import Explanation

Activation = Callable[[torch.Tensor], torch.Tensor]
"""Makes predictions of logits, (B, K) both."""

softmax: Activation = partial(torch.softmax, dim=1)


@dataclass(frozen=True)
class GridMaps:
    """Prediction and maps of one image by an ensemble, on the grid of the network.

    Attributes
    ----------
    predicted, explained
        Class indices: the most probable class, and the class that the maps explain. A regression
        has one output, 0.
    predictor
        Source of the prediction: `NETWORK`, or `HEAD` if the HR-CAM head was
        fitted to the labels and is a classifier of its own.
    outputs
        Probability of each class, or the value of a regression, shape (K,), the mean over the
        networks.
    logit, bias
        Logit and bias of the explained class by the HR-CAM heads; the mean of the evidence plus
        the bias is the logit.
    level_contributions
        Mean evidence of each level; their sum plus the bias is the logit.
    distances
        How far the image lies from those of the fit, of each network; None if one does not know.
    maps
        "evidence", "pattern" and, if the heads were refitted on resampled subjects, "std", each
        of the grid's shape.
    """

    predicted: int
    explained: int
    predictor: str
    outputs: NDArray[np.float64]
    logit: float
    bias: float
    level_contributions: dict[str, float]
    distances: tuple[float, ...] | None
    maps: dict[str, NDArray[np.float32]]


def explain_batch(
    explainers: Sequence[HRCAM],
    voxels: NDArray[np.float32],
    wanted: int | None,
    reference: int | None = None,
    activated: Activation = softmax,
) -> list[GridMaps]:
    """Explain prepared images by several networks, and average the results.

    The prediction is the class with the highest mean probability. Evidence, pattern and bias are
    averaged for one class, so that the mean evidence plus the bias is still the (mean) logit.
    Standard deviations are combined by the root mean square.

    Parameters
    ----------
    explainers
        One per fold, all on one device.
    voxels
        Shape (B, C, *grid).
    wanted
        Index of the class to explain; None for the predicted one of each image.
    reference
        Index of the class that others are compared with, which is explained only if it is wanted:
        where it is predicted, the most probable other class is explained. None if there is none.
    activated
        Makes probabilities, or values, (B, K), of logits, (B, K).

    Returns
    -------
    One for each image.
    """
    seen = _Seen.by(explainers, voxels, wanted, reference, activated)
    return seen.maps(seen.chosen)


def explain_all_classes(
    explainers: Sequence[HRCAM],
    voxels: NDArray[np.float32],
    reference: int | None = None,
    activated: Activation = softmax,
) -> list[list[GridMaps]]:
    """Explain prepared images for every class; parameters are as for `explain_batch`.

    Returns
    -------
    For each image its maps: first those of `explain_batch`, bit by bit, then those of the other
    classes in their order.
    """
    seen = _Seen.by(explainers, voxels, None, reference, activated)
    found = [[maps] for maps in seen.maps(seen.chosen)]
    for index in range(seen.outputs.shape[1]):
        for of_image, maps in zip(found, seen.maps(np.full_like(seen.chosen, index)), strict=True):
            if maps.explained != of_image[0].explained:
                of_image.append(maps)
    return found


@dataclass(frozen=True, eq=False)
class _Seen:
    """Images that each network has explained once, for whichever class.

    Attributes
    ----------
    explainers
        One per fold.
    images
        Shape (B, C, *grid), on their device.
    first
        What each found.
    outputs
        Probabilities, or values, shape (B, K); the mean over the networks.
    chosen
        The class to explain of each image, shape (B,).
    """

    explainers: Sequence[HRCAM]
    images: torch.Tensor
    first: Sequence[Explanation]
    outputs: NDArray[np.float64]
    chosen: NDArray[np.int64]

    @classmethod
    def by(
        cls,
        explainers: Sequence[HRCAM],
        voxels: NDArray[np.float32],
        wanted: int | None,
        reference: int | None,
        activated: Activation,
    ) -> Self:
        device = next(explainers[0].model.parameters()).device
        images = torch.from_numpy(voxels).to(device)
        if wanted is None and reference is not None and len(explainers[0].head.bias) == 2:
            wanted = 1 - reference
        first = [explainer.explain(images, wanted) for explainer in explainers]
        outputs = np.mean([_outputs(one, activated) for one in first], axis=0)
        chosen = outputs.argmax(1)
        if wanted is not None:
            chosen = np.full_like(chosen, wanted)
        elif reference is not None:
            chosen = np.delete(outputs, reference, axis=1).argmax(1)
            chosen += chosen >= reference
        return cls(explainers, images, first, outputs, chosen)

    def maps(self, explained: NDArray[np.int64]) -> list[GridMaps]:
        """Return the mean maps of each image for a class, shape (B,)."""
        classes = torch.from_numpy(explained).to(self.images.device)
        both = [
            _explained(explainer, self.images, one, classes)
            for explainer, one in zip(self.explainers, self.first, strict=True)
        ]

        def mean(value: Callable[[Explanation], torch.Tensor]) -> torch.Tensor:
            return torch.stack([one.values(value).double() for one in both]).mean(0)

        maps = {
            "evidence": mean(lambda one: one.evidence),
            "pattern": mean(lambda one: one.pattern),
        }
        if all(one.std is not None for one in self.first):
            squares = mean(lambda one: _present(one.std).double() ** 2)
            maps["std"] = squares.sqrt()
        on_host = {name: values.float().cpu().numpy() for name, values in maps.items()}
        rows = torch.arange(len(self.images), device=self.images.device)
        logits = mean(lambda one: one.logits)[rows, classes].tolist()
        biases = mean(lambda one: one.bias).tolist()
        by_level = mean(_level_means).tolist()
        predicted = self.outputs.argmax(1)
        distances = self._distances()
        return [
            GridMaps(
                predicted=int(predicted[row]),
                explained=int(explained[row]),
                predictor=HEAD if self.first[0].model_logits is None else NETWORK,
                outputs=self.outputs[row],
                logit=logits[row],
                bias=biases[row],
                level_contributions=dict(
                    zip(self.first[0].level_evidence, by_level[row], strict=True)
                ),
                distances=None if distances is None else tuple(distances[row].tolist()),
                maps={name: values[row] for name, values in on_host.items()},
            )
            for row in range(len(self.images))
        ]

    def _distances(self) -> torch.Tensor | None:
        """Return the distance of each image by each network, shape (B, networks)."""
        found = [one.distance for one in self.first if one.distance is not None]
        return torch.stack(found, 1) if len(found) == len(self.first) else None


@dataclass(frozen=True)
class _OfClasses:
    """One network's explanation of the classes that are wanted.

    Attributes
    ----------
    first
        Of all images.
    others
        Which of them it explained for another class, bool (B,).
    again
        Of those, for the class that is wanted; None if there are none.
    """

    first: Explanation
    others: torch.Tensor
    again: Explanation | None

    def values(self, of: Callable[[Explanation], torch.Tensor]) -> torch.Tensor:
        """Return values of all images, shape (B, ...)."""
        values = of(self.first)
        if self.again is not None:
            values = values.clone()
            values[self.others] = of(self.again)
        return values


def _explained(
    explainer: HRCAM, images: torch.Tensor, first: Explanation, classes: torch.Tensor
) -> _OfClasses:
    others = first.classes != classes
    again = explainer.explain(images[others], classes[others]) if bool(others.any()) else None
    return _OfClasses(first, others, again)


def _level_means(explanation: Explanation) -> torch.Tensor:
    """Return the mean evidence of each level, shape (B, levels)."""
    return torch.stack(
        [share.double().flatten(1).mean(1) for share in explanation.by_level.values()], 1
    )


def _outputs(explanation: Explanation, activated: Activation) -> NDArray[np.float64]:
    """Return what is predicted, shape (B, K): by the network if the head fits its logits."""
    outputs = activated(explanation.predictor_logits.double()).cpu().numpy()
    return np.asarray(outputs, np.float64)


def _present(std: torch.Tensor | None) -> torch.Tensor:
    assert std is not None
    return std
