"""One linear head over the pooled features of all levels, and what its patterns come from."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from hrcam.errors import FitError
from hrcam.head.covariance import LogitCovariance, covariance_of
from hrcam.head.linear_models import (
    Array,
    Groups,
    LinearModel,
    fit_least_squares,
    fit_softmax,
    softmax_solution,
)

Target = Literal["labels", "logits"]

# A channel that varies less than this share of the median channel is constant: dividing by its
# spread would turn rounding into evidence.
_CONSTANT = 1e-6
# So often a resample is drawn anew for lack of a class.
_DRAWS = 1000
# So is one that varies less than this share of its own mean: single precision has seven digits.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Head:
    """logit_c = w_c · z + b_c with z = (g − μ) / σ, and how features and logits go together.

    Attributes
    ----------
    mean, scale
        μ and σ of the D pooled features, shape (D,).
    weights, bias
        w, shape (K, D), and b, shape (K,).
    covariance
        Of the features with the logits.
    resampled
        The same of the heads refitted on resampled subjects; there may be none.
    target
        What the head was fitted to.
    penalty
        Chosen by cross-validation.
    fidelity
        On held-out folds: accuracy for labels, R² for logits.
    """

    mean: Array
    scale: Array
    weights: Array
    bias: Array
    covariance: LogitCovariance
    resampled: tuple[LogitCovariance, ...]
    target: Target
    penalty: float
    fidelity: float

    def logits(self, pooled: Array) -> Array:
        """Return the logits (N, K) of pooled features (N, D)."""
        return ((pooled - self.mean) / self.scale) @ self.weights.T + self.bias


def fit_head(
    pooled: Array,
    outcome: Array,
    target: Target,
    *,
    centre: bool = True,
    groups: Groups = None,
    bootstrap: int = 0,
    seed: int = 0,
) -> Head:
    """Standardise the pooled features, fit the head, and see how they go with its logits.

    Parameters
    ----------
    pooled
        g, shape (N, D): the pooled features of all levels, side by side.
    outcome
        Class indices, shape (N,), for labels; the CNN's outputs, shape (N, K), for logits.
    target
        Which of the two.
    centre
        Fix the gauge: subtract the mean over the classes from weights, bias and logits.
    groups
        Codes of what must not be split, shape (N,), or None.
    bootstrap
        Number of refits on resampled images, or on resampled groups.
    seed
        Of folds and resampling.
    """
    mean, spread = pooled.mean(0), pooled.std(0)
    typical = np.median(spread[spread > 0]) if np.any(spread > 0) else 0.0
    constant = spread <= np.maximum(_CONSTANT * typical, _ROUNDING * np.abs(mean))
    scale = np.where(constant, 1.0, spread)
    z = np.where(constant, 0.0, (pooled - mean) / scale)
    if target == "labels":
        labels = outcome.astype(np.int64)
        model = _centred(fit_softmax(z, labels, groups, seed), centre)
        outputs = z @ model.weights.T + model.bias
    else:
        outputs = centred_over_classes(outcome) if centre else outcome
        model = fit_least_squares(z, outputs, groups, seed)
    resampled = []
    generator = np.random.default_rng(seed)
    for _ in range(bootstrap):
        rows = _resample(outcome, target, groups, generator)
        if target == "labels":
            # Started from the full fit, a refit takes a few steps.
            weights, bias = softmax_solution(
                z[rows], labels[rows], model.penalty, (model.weights, model.bias)
            )
            refit = _centred(LinearModel(weights, bias, model.penalty, np.nan), centre)
            resampled.append(covariance_of(z[rows], z[rows] @ refit.weights.T))
        else:
            # The pattern is that of the CNN's own logits, which no refit changes.
            resampled.append(covariance_of(z[rows], outputs[rows]))
    return Head(
        mean, scale, model.weights, model.bias, covariance_of(z, outputs), tuple(resampled),
        target, model.penalty, model.fidelity,
    )  # fmt: skip


def centred_over_classes(values: Array) -> Array:
    """Subtract the mean over the classes (the last axis); a single output stays as it is."""
    if values.shape[-1] == 1:
        return values
    centred: Array = values - values.mean(-1, keepdims=True)
    return centred


def _centred(model: LinearModel, centre: bool) -> LinearModel:
    if not centre:
        return model
    return LinearModel(
        centred_over_classes(model.weights.T).T,
        centred_over_classes(model.bias),
        model.penalty,
        model.fidelity,
    )


def _resample(
    outcome: Array, target: Target, groups: Groups, generator: np.random.Generator
) -> npt.NDArray[Any]:
    """Draw images, or whole groups, with replacement, until every class is there."""
    units = np.arange(len(outcome)) if groups is None else groups
    names = np.unique(units)
    members = {name: np.flatnonzero(units == name) for name in names} if groups is not None else {}
    for _ in range(_DRAWS):
        drawn = generator.choice(names, len(names))
        rows = drawn if groups is None else np.concatenate([members[name] for name in drawn])
        if target == "logits" or len(np.unique(outcome[rows])) == len(np.unique(outcome)):
            return rows
    raise FitError(
        f"of {_DRAWS} resamples none held every class: with so few images of some classes leave "
        "bootstrap at 0"
    )
