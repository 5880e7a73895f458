"""Is an AUC better than chance: a permutation test on the predictions of fixed networks."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from hrcam.errors import InputError
from hrcam.evaluation.bootstrap import subject_indices
from hrcam.evaluation.prediction_checks import checked_predictions

PERMUTATIONS = 1999

_MOST_LABELS = 4_000_000  # in memory at once


@dataclass(frozen=True)
class ChanceTest:
    """Result of a permutation test.

    Attributes
    ----------
    p
        Share of the labellings, the true one included, with an AUC at least as high, once the
        spread of the AUC is widened.
    permutations
        Number of random labellings.
    within_folds
        Whether subjects exchanged labels within their fold only.
    relabelled_auc
        Mean AUC of the labellings, the true one included. It is far from 0.5 where folds differ
        in their shares of the classes and networks in their scale, or where few subjects have
        many of the images.
    widening
        Factor on the deviations of the labellings from that mean: 1 for one fold.
    """

    p: float
    permutations: int
    within_folds: bool
    relabelled_auc: float
    widening: float


def better_than_chance(
    labels: ArrayLike,
    probabilities: ArrayLike,
    *,
    groups: ArrayLike | None = None,
    folds: ArrayLike | None = None,
    repeats: ArrayLike | None = None,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> ChanceTest | None:
    """Test whether predictions rank subjects of a class above others by more than chance.

    Subjects exchange their labels, with all their images, within folds; predictions stay as they
    are. The test assumes that, if images say nothing of the class, the subjects of a fold are
    exchangeable for the networks that predict them. For one network and its test subjects this
    holds exactly. Subjects of repeats are in other folds each time; there they exchange labels
    over all folds, the same in each repeat.

    Over folds the AUC of networks that are trained anew varies more than that of relabelled
    predictions, because the test labels of one fold are training labels of the others. The
    deviations of the labellings are therefore widened by √(1 + Σ_k n_k / (n − n_k)), with n_k of n
    subjects in fold k: the variance of Nadeau and Bengio (Machine Learning 52:239, 2003), 1.5 for
    five equal folds. The exact test trains anew on each labelling.

    Parameters
    ----------
    labels
        Index of each image's class, shape (N,).
    probabilities
        Probability of each class, shape (N, K). The statistic is the AUC of the last of two
        classes, or the mean AUC of each class against all others; of repeats it is the mean.
    groups, folds, repeats
        Subject, fold and cross-validation of each prediction, shape (N,). None if every image is
        of another subject, all of one network, not repeated.
    permutations
        Number of random labellings.
    seed
        Random seed.

    Returns
    -------
    ChanceTest
        None if the AUC is undefined, or a subject has images of several classes: what could be
        exchanged then depends on how they came about.

    Raises
    ------
    InputError
        If the predictions are invalid, shapes do not match, or there is less than one permutation.
    """
    true, predicted = checked_predictions(labels, probabilities)
    subjects = subject_indices(groups, true.size)
    fold, repeat = (
        np.zeros(true.size, np.intp) if each is None else np.asarray(each)
        for each in (folds, repeats)
    )
    if fold.shape != true.shape or repeat.shape != true.shape:
        raise InputError(
            f"Folds have shape {fold.shape} and repeats {repeat.shape}, the labels {true.shape}."
        )
    if permutations < 1:
        raise InputError(f"permutations is {permutations}: use 1 or more.")
    first = np.unique(subjects, return_index=True)[1]
    of_subject = true[first]
    if (true != of_subject[subjects]).any():
        return None
    parts = [
        _Ranks(predicted[part], subjects[part])
        for part in (repeat == each for each in np.unique(repeat))
    ]
    within = len(parts) == 1
    blocks = fold[first] if within else np.zeros_like(fold[first])
    observed = _auc(parts, of_subject[None])[0]
    if np.isnan(observed):
        return None
    rng, left, found = np.random.default_rng(seed), permutations, [observed[None]]
    while left:
        number = min(left, max(1, _MOST_LABELS // true.size))
        found.append(_auc(parts, _relabelled(of_subject, blocks, number, rng)))
        left -= number
    aucs = np.concatenate(found)
    chance, widening = float(np.nanmean(aucs)), _widening(subjects, fold, repeat)
    # An AUC that a labelling does not define is no evidence.
    below = widening * (aucs[1:] - chance) < observed - chance - 1e-12
    p = (int((~below).sum()) + 1) / (permutations + 1)
    return ChanceTest(p, permutations, within, chance, widening)


def _widening(
    subjects: NDArray[np.intp], folds: NDArray[np.generic], repeats: NDArray[np.generic]
) -> float:
    """Return how much more the AUC varies between trainings than between labellings."""
    variances = []
    for repeat in np.unique(repeats):
        rows = repeats == repeat
        first = np.unique(subjects[rows], return_index=True)[1]
        counts = np.unique(folds[rows][first], return_counts=True)[1]
        others = counts.sum() - counts
        variances.append(1 + (counts / others).sum() if len(counts) > 1 else 1.0)
    return float(np.sqrt(np.mean(variances)))


class _Ranks:
    """Ranks of the images of one cross-validation by the probability of each class."""

    def __init__(self, probabilities: NDArray[np.float64], subjects: NDArray[np.intp]) -> None:
        number = probabilities.shape[1]
        self.subjects = subjects
        self.classes = [1] if number == 2 else list(range(number))
        self.of_class = [rankdata(probabilities[:, each]) for each in self.classes]


def _auc(parts: list[_Ranks], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the AUC of each labelling of the subjects, shape (labellings,), NaN if undefined."""
    found = []
    for part in parts:
        images = labels[:, part.subjects]
        for each, ranks in zip(part.classes, part.of_class, strict=True):
            hits = (images == each).astype(np.float64)
            positives = hits.sum(1)
            pairs = positives * (len(ranks) - positives)
            above = hits @ ranks - positives * (positives + 1) / 2
            found.append(np.divide(above, pairs, out=np.full_like(pairs, np.nan), where=pairs > 0))
    mean: NDArray[np.float64] = np.mean(found, axis=0)
    return mean


def _relabelled(
    labels: NDArray[np.intp], blocks: NDArray[np.intp], number: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Exchange the labels of subjects at random within blocks, shape (number, subjects)."""
    place = np.unique(blocks, return_inverse=True)[1]
    drawn = np.argsort(rng.random((number, labels.size)) + place, axis=1)
    relabelled = np.empty_like(drawn)
    relabelled[:, np.argsort(place, kind="stable")] = labels[drawn]
    return relabelled
