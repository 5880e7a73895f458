"""Fit one linear head over the pooled features of all levels."""

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

# A channel is constant if its standard deviation is below this share of the median channel's, or
# below that share of its own mean (single precision has seven digits). Dividing by it would turn
# rounding errors into evidence.
_CONSTANT = 1e-6
_ROUNDING = 1e-5
# Attempts to draw a resample with every class.
_DRAWS = 1000


@dataclass(frozen=True)
class Head:
    """logit_c = w_c · z + b_c with z = (g − μ) / σ, and the covariances of z with the logits.

    Attributes
    ----------
    mean, scale
        μ and σ of the D pooled features, shape (D,).
    weights, bias
        w, shape (K, D), and b, shape (K,).
    covariance
        Covariances of features and logits.
    resampled
        The same for each refit on resampled images or groups; may be empty.
    target
        What the head was fitted to.
    penalty
        L2 penalty chosen by cross-validation, as in `LinearModel`.
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
    """Standardise the pooled features, fit the head, and measure the covariances.

    Parameters
    ----------
    pooled
        g, the pooled features of all levels, shape (N, D).
    outcome
        Class indices, shape (N,), for labels; the CNN's outputs, shape (N, K), for logits.
    target
        Whether the outcome is labels or logits.
    centre
        Fix the gauge: subtract the mean over the classes from weights, bias and logits.
    groups
        Group of each image, shape (N,), or None. Groups are not split between folds.
    bootstrap
        Number of refits on resampled groups (images without groups).
    seed
        Of the folds and the resampling.
    """
    mean, std = pooled.mean(0), pooled.std(0)
    typical = np.median(std[std > 0]) if np.any(std > 0) else 0.0
    constant = std <= np.maximum(_CONSTANT * typical, _ROUNDING * np.abs(mean))
    scale = np.where(constant, 1.0, std)
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
            # A warm start from the full fit saves most iterations.
            weights, bias = softmax_solution(
                z[rows], labels[rows], model.penalty, (model.weights, model.bias)
            )
            refit = _centred(LinearModel(weights, bias, model.penalty, np.nan), centre)
            resampled.append(covariance_of(z[rows], z[rows] @ refit.weights.T))
        else:
            # The pattern is that of the CNN's own logits, which a refit does not change.
            resampled.append(covariance_of(z[rows], outputs[rows]))
    return Head(
        mean, scale, model.weights, model.bias, covariance_of(z, outputs), tuple(resampled),
        target, model.penalty, model.fidelity,
    )  # fmt: skip


def centred_over_classes(values: Array) -> Array:
    """Subtract the mean over the classes (the last axis), unless there is a single output."""
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
    """Draw images, or whole groups, with replacement, until every class is present."""
    units = np.arange(len(outcome)) if groups is None else groups
    names = np.unique(units)
    members = {name: np.flatnonzero(units == name) for name in names} if groups is not None else {}
    for _ in range(_DRAWS):
        drawn = generator.choice(names, len(names))
        rows = drawn if groups is None else np.concatenate([members[name] for name in drawn])
        if target == "logits" or len(np.unique(outcome[rows])) == len(np.unique(outcome)):
            return rows
    raise FitError(
        f"none of {_DRAWS} resamples held every class, since some classes have very few images: "
        "leave bootstrap at 0"
    )
