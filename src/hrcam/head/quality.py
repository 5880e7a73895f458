"""Warn of a head that is too poor for its maps to mean anything."""

import warnings
from collections.abc import Sequence

import numpy as np

from hrcam.errors import HRCAMWarning
from hrcam.head.fit import Head
from hrcam.head.linear_models import Array

# Below this R² the head does not represent the CNN.
_LOW_FIDELITY = 0.5

_ADVICE = "fit on more images of every class, or do not use these maps"


class AbsentClassesWarning(HRCAMWarning):
    """Classes that the CNN never predicts, so that nothing can be compared with them.

    Attributes
    ----------
    classes
        Their indices.
    """

    def __init__(self, classes: Sequence[int]) -> None:
        self.classes = tuple(classes)
        super().__init__(self.named([str(index) for index in range(max(classes) + 1)]))

    def named(self, names: Sequence[str]) -> str:
        """Return the message with the classes' names, given in the order of their indices."""
        several = [names[index] for index in self.classes[:5]]
        listed = ", ".join(several) + (", …" if len(self.classes) > 5 else "")
        return (
            f"the CNN predicts class {listed} for none of the images: the maps of such a class "
            f"cannot be told from those of other classes; {_ADVICE}"
        )


def warn_of_poor_fit(head: Head, outcome: Array, *, compete: bool) -> None:
    """Warn of a head that predicts poorly, and of classes that the CNN never predicts.

    Parameters
    ----------
    head
        The fitted head.
    outcome
        Labels, shape (N,), or the CNN's outputs, shape (N, K).
    compete
        Whether the largest output is the predicted class.

    Warns
    -----
    HRCAMWarning
        With advice on what to do.
    """
    if head.target == "labels":
        majority = float(np.bincount(outcome.astype(np.int64)).max() / len(outcome))
        if head.fidelity <= majority:
            _warn(
                f"the head predicts no better than the most frequent class alone (accuracy "
                f"{head.fidelity:.2f} on held-out folds, most frequent class {majority:.2f})"
            )
        return
    if not head.fidelity >= _LOW_FIDELITY:
        _warn(
            f"the head predicts the CNN's outputs with R² = {head.fidelity:.2f} on held-out folds: "
            "the maps do not explain the CNN"
        )
    if compete and outcome.shape[1] > 1:
        absent = sorted(set(range(outcome.shape[1])) - set(outcome.argmax(1).tolist()))
        if absent:
            _warn(AbsentClassesWarning(absent))


def _warn(what: str | HRCAMWarning) -> None:
    warning = what if isinstance(what, HRCAMWarning) else HRCAMWarning(f"{what}; {_ADVICE}")
    # The warning points at the caller of ``fit``.
    warnings.warn(warning, stacklevel=4)
