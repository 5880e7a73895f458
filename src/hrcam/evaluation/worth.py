"""What an AUC from a number of subjects is worth, in words and by a formula."""

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from hrcam.errors import InputError
from hrcam.evaluation.estimate import LEVEL, with_interval

_CHANCE = 0.5
_FAR = 0.02  # from chance, for a mean AUC of relabelled folds to be chance in its place


def hanley_mcneil_interval(auc: float, positives: int, negatives: int) -> tuple[float, float]:
    """Compute the 95 % interval of an AUC by its value and the numbers of subjects alone.

    Hanley and McNeil, Radiology 143:29, 1982: of scores with exponential distributions, one
    independent score for each subject.

    Parameters
    ----------
    auc
        From 0 to 1.
    positives, negatives
        Numbers of subjects of the two classes, at least one each.

    Returns
    -------
    tuple of float
        Lower and upper end, from 0 to 1.

    Raises
    ------
    InputError
        If the AUC is not from 0 to 1, or a class has no subject.
    """
    if not 0 <= auc <= 1 or positives < 1 or negatives < 1:
        raise InputError(f"An AUC of {auc} of {positives} and {negatives} subjects has no error.")
    of_two_positives, of_two_negatives = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    variance = (
        auc * (1 - auc)
        + (positives - 1) * (of_two_positives - auc**2)
        + (negatives - 1) * (of_two_negatives - auc**2)
    ) / (positives * negatives)
    half = NormalDist().inv_cdf((1 + LEVEL) / 2) * math.sqrt(max(variance, 0.0))
    return max(auc - half, 0.0), min(auc + half, 1.0)


def without_auc(scores: Mapping[str, Any]) -> str:
    """Say why the AUC has no mean over folds.

    Parameters
    ----------
    scores
        Of one predictor, as ``metrics.json`` has them: ``fold_mean`` and ``folds``.

    Returns
    -------
    str
        One sentence that names the folds without an AUC, by the value that each leaves out; empty
        if there is a mean, or none was to be taken.
    """
    mean = (scores.get("fold_mean") or {}).get("auc")
    if mean is None or mean["value"] is not None:
        return ""
    lacking = [
        str(fold.get("left_out") or f"fold {number}")
        for number, fold in enumerate(scores["folds"], 1)
        if fold["auc"]["value"] is None
    ]
    return f"The AUC has no mean of folds: a class has no test scans in {', '.join(lacking)}."


def auc_statement(scores: Mapping[str, Any]) -> str:
    """Say what the AUC of a run tells, and what twice the subjects would tell.

    Parameters
    ----------
    scores
        Of one predictor, as ``metrics.json`` has them: ``pooled`` and, where it was tested,
        ``better_than_chance``.

    Returns
    -------
    str
        Two to four sentences. Chance is an AUC of 0.5, or what relabelled folds have on average
        if that is elsewhere.
    """
    pooled = scores["pooled"]
    value, low, high = (pooled["auc"][key] for key in ("value", "low", "high"))
    subjects = f"{pooled['subjects']:,} subjects"
    if value is None:
        return f"{subjects}: the AUC is undefined."
    if low is None or high is None:
        return f"{subjects}: AUC {value:.2f}, without an interval.{_tested(scores)}"
    chance = _chance(scores)
    if low > chance:
        excluded = f"a true AUC below {low:.2f} is excluded"
    elif high < chance:
        excluded = f"below chance, {chance:.2f}: {_REVERSED}"
    else:
        excluded = f"chance, {chance:.2f}, is not excluded"
    # Intervals narrow with the square root of the number of subjects.
    twice = (high - low) / 2 / math.sqrt(2)
    return (
        f"{subjects}: AUC {value:.2f}, 95 % interval {low:.2f} to {high:.2f}: {excluded}. "
        f"Twice the subjects would give about ±{twice:.2f}.{_tested(scores)}"
    )


def curve_statement(curve: Mapping[str, Any]) -> str:
    """Say what twice the training subjects would bring, or that this cannot be told.

    Parameters
    ----------
    curve
        As ``learning-curve.json`` has it.

    Returns
    -------
    str
        One or two sentences.
    """
    first, *_, last = curve["measured"]
    numbers = [f"{point['subjects']:.0f}" for point in (first, last)]
    if not curve["tells"]:
        return (
            f"The learning curve cannot tell what more subjects would bring: from {numbers[0]} to "
            f"{numbers[1]} training subjects the AUC changes by "
            f"{_spoken(curve['rise'])}."
        )
    twice = curve["twice"]
    return (
        f"With {twice['subjects']:.0f} training subjects in place of {numbers[1]} an AUC of "
        f"{_spoken(twice['auc'])} is expected, a gain of "
        f"{_spoken(curve['gain'])}."
    )


_REVERSED = (
    "the order is reversed, as where a shortcut turns round on an unseen site, or labels are "
    "exchanged; look at the labels of the table, and at each fold and site by itself"
)


def _chance(scores: Mapping[str, Any]) -> float:
    """Return the AUC of predictions that say nothing of the class."""
    test = scores.get("better_than_chance") or {}
    relabelled = float(test.get("relabelled_auc", _CHANCE))
    return relabelled if abs(relabelled - _CHANCE) >= _FAR else _CHANCE


def _spoken(estimate: Mapping[str, Any]) -> str:
    return with_interval(*(estimate[key] for key in ("value", "low", "high")))


def _tested(scores: Mapping[str, Any]) -> str:
    test = scores.get("better_than_chance")
    if test is None:
        return ""
    smallest = 1 / (test["permutations"] + 1)
    # The smallest p that so many permutations can give is an upper bound.
    p = f"p ≤ {smallest:.2g}" if test["p"] <= smallest else f"p = {test['p']:.2g}"
    chance = _chance(scores)
    where = (
        f" Relabelled {'within' if test['within_folds'] else 'over all'} folds, the AUC is "
        f"{chance:.2f} on average, not {_CHANCE:.2f}: folds differ in their shares of the classes, "
        "or subjects in their numbers of scans."
        if chance != _CHANCE
        else ""
    )
    return f" Better than chance: {p} (permutation test).{where}"
