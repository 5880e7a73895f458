"""The two linear models of the head, with an L2 penalty chosen by cross-validation."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

from hrcam.errors import FitError

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[Any] | None

FOLDS = 5
# Inverse penalties C of the softmax head, and penalties α of least squares, strongest first.
INVERSE_PENALTIES = tuple(10.0**power for power in range(-4, 3))
RIDGE_PENALTIES = tuple(10.0**power for power in range(5, -7, -1))


@dataclass(frozen=True)
class LinearModel:
    """logit = weights · z + bias.

    Attributes
    ----------
    weights, bias
        Shapes (K, D) and (K,).
    penalty
        Chosen by cross-validation: C for softmax, α for least squares.
    fidelity
        On held-out folds: accuracy for softmax, R² for least squares.
    """

    weights: Array
    bias: Array
    penalty: float
    fidelity: float


def fit_softmax(z: Array, labels: npt.NDArray[np.int64], groups: Groups, seed: int) -> LinearModel:
    """Fit a multinomial softmax head with an L2 penalty.

    The penalty is the strongest whose held-out log loss is within one standard error of the best
    (the one-standard-error rule of Breiman et al.). Pooled features are collinear, and weaker
    penalties only add large weights of opposite signs.

    Parameters
    ----------
    z
        Standardised features, shape (N, D).
    labels
        Class indices 0 to K − 1, shape (N,).
    groups
        Group of each image, shape (N,), or None. Groups are not split between folds.
    seed
        Of the folds.

    Raises
    ------
    FitError
        If the groups leave no fold with every class in its training part.
    """
    basis, rotated = _row_space(z)
    splits = splits_of(labels, groups, seed)
    classes = np.arange(labels.max() + 1)
    losses = np.empty((len(INVERSE_PENALTIES), len(splits)))
    hits = np.empty_like(losses)
    for fold, (train, test) in enumerate(splits):
        start: tuple[Array, Array] | None = None
        for index, penalty in enumerate(INVERSE_PENALTIES):
            start = softmax_solution(rotated[train], labels[train], penalty, start)
            logits = rotated[test] @ start[0].T + start[1]
            odds = np.exp(logits - logits.max(1, keepdims=True))
            probabilities = odds / odds.sum(1, keepdims=True)
            losses[index, fold] = log_loss(labels[test], probabilities, labels=classes)
            hits[index, fold] = np.mean(logits.argmax(1) == labels[test])
    mean = losses.mean(1)
    best = int(mean.argmin())
    folds = len(splits)
    error = losses[best].std(ddof=1) / np.sqrt(folds) if folds > 1 else 0.0
    chosen = int(np.flatnonzero(mean <= mean[best] + error)[0])
    weights, bias = softmax_solution(rotated, labels, INVERSE_PENALTIES[chosen], None)
    sizes = np.array([len(test) for _, test in splits])
    accuracy = float(np.average(hits[chosen], weights=sizes))
    return LinearModel(weights @ basis, bias, INVERSE_PENALTIES[chosen], accuracy)


def softmax_solution(
    z: Array, labels: npt.NDArray[np.int64], penalty: float, start: tuple[Array, Array] | None
) -> tuple[Array, Array]:
    """Return weights (K, D) and bias (K,) at one inverse penalty, from a warm start if given."""
    model = LogisticRegression(C=penalty, max_iter=1000, tol=1e-5, warm_start=start is not None)
    two = labels.max() == 1
    if start is not None:
        weights, bias = start
        model.coef_ = weights[1:] - weights[:1] if two else weights.copy()
        model.intercept_ = bias[1:] - bias[:1] if two else bias.copy()
        model.classes_ = np.arange(labels.max() + 1)
    with warnings.catch_warnings():
        # On nearly separable folds the solver may stop early: the choice and the maps stay.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(z, labels)
    if two:  # scikit-learn has one vector for two classes: give each class half of it
        return np.vstack([-model.coef_, model.coef_]) / 2, np.hstack(
            [-model.intercept_, model.intercept_]
        ) / 2
    return model.coef_, model.intercept_


def fit_least_squares(z: Array, logits: Array, groups: Groups, seed: int) -> LinearModel:
    """Fit the CNN's logits by least squares with an L2 penalty.

    Parameters
    ----------
    z
        Standardised features, shape (N, D).
    logits
        The CNN's outputs, shape (N, K).
    groups
        Group of each image, shape (N,), or None. Groups are not split between folds.
    seed
        Of the folds.

    Returns
    -------
    The model. Its fidelity is the R² on held-out folds, over all outputs together.

    Raises
    ------
    FitError
        If there is a single image or group.
    """
    units = len(z) if groups is None else len(np.unique(groups))
    if units < 2:
        raise FitError(
            f"there is a single {'image' if groups is None else 'group'}: at least two are needed "
            "to cross-validate"
        )
    basis, rotated = _row_space(z)
    folds: GroupKFold | KFold
    if groups is None:
        folds = KFold(min(FOLDS, units), shuffle=True, random_state=seed)
    else:
        folds = GroupKFold(min(FOLDS, units), shuffle=True, random_state=seed)
    residuals = np.zeros(len(RIDGE_PENALTIES))
    for train, test in folds.split(z, groups=groups):
        solutions = least_squares_solutions(rotated[train], logits[train], RIDGE_PENALTIES)
        for index, (weights, bias) in enumerate(solutions):
            residuals[index] += np.sum((rotated[test] @ weights.T + bias - logits[test]) ** 2)
    best = int(residuals.argmin())
    total = float(np.sum((logits - logits.mean(0)) ** 2))
    ((weights, bias),) = least_squares_solutions(rotated, logits, [RIDGE_PENALTIES[best]])
    fidelity = 1 - float(residuals[best]) / total if total > 0 else float("nan")
    return LinearModel(weights @ basis, bias, RIDGE_PENALTIES[best], fidelity)


def least_squares_solutions(
    z: Array, logits: Array, penalties: Iterable[float]
) -> Iterator[tuple[Array, Array]]:
    """Yield weights (K, D) and bias (K,) at each L2 penalty, from one decomposition."""
    mean, level = z.mean(0), logits.mean(0)
    left, values, right = np.linalg.svd(z - mean, full_matrices=False)
    # As in scikit-learn's Ridge: below this, directions are rounding errors.
    known = values > 1e-15
    projected = left.T @ (logits - level)
    for penalty in penalties:
        shrunk = np.where(known, values, 0) / np.where(known, values**2 + penalty, 1)
        weights = (projected * shrunk[:, None]).T @ right
        yield weights, level - weights @ mean


def _row_space(z: Array) -> tuple[Array, Array]:
    """Return an orthonormal basis (R, D) of the rows of z, and z in that basis, (N, R).

    An L2 penalty is invariant to rotations, and the solution lies in the span of the rows. So with
    fewer images than features, the fit in the basis is the same and much cheaper.
    """
    if z.shape[0] >= z.shape[1]:
        return np.eye(z.shape[1]), z
    _, _, basis = np.linalg.svd(z, full_matrices=False)
    return basis, z @ basis.T


def splits_of(
    labels: npt.NDArray[np.int64], groups: Groups, seed: int
) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Return the rows of the training and the test part of each fold.

    Raises
    ------
    FitError
        If the groups leave no fold with every class in its training part.
    """
    count: Callable[[Any], int] = lambda index: (  # noqa: E731
        int(np.sum(labels == index)) if groups is None else len(np.unique(groups[labels == index]))
    )
    folds = min(FOLDS, *(count(index) for index in np.unique(labels)))
    if groups is None:
        splits = StratifiedKFold(folds, shuffle=True, random_state=seed).split(labels, labels)
    else:
        grouped = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
        splits = grouped.split(labels, labels, groups)
    # A group that holds most of a class can take it out of the training part of a fold.
    classes = len(np.unique(labels))
    usable = [(train, test) for train, test in splits if len(np.unique(labels[train])) == classes]
    if not usable:
        raise FitError(
            "in every fold a class is missing from the training part, since one group holds nearly "
            "all of its images: cross-validation needs more groups per class"
        )
    return usable
