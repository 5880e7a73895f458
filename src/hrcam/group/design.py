"""The linear model of a comparison: group, covariates, and the networks that made the maps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.errors import InputError
from hrcam.group.participants import Groups


@dataclass(frozen=True, eq=False)
class Design:
    """Columns of the model, one row for each participant.

    Attributes
    ----------
    group
        1 for the first group, 0 for the second; shape (N,).
    confounds
        Centred; shape (N, columns). The intercept is not among them.
    names
        Of the columns of confounds.
    """

    group: NDArray[np.float64]
    confounds: NDArray[np.float64]
    names: tuple[str, ...]

    @property
    def degrees_of_freedom(self) -> int:
        """Of the residuals."""
        return len(self.group) - 2 - len(self.names)


def design_of(groups: Groups, covariates: Sequence[str]) -> Design:
    """Build the model: a column of numbers as it is, one of texts as one column a value but one.

    The networks of different folds scale their maps differently, so folds are confounds. In maps
    of a repeated cross-validation, all of them means over several networks, this averages out.

    Raises
    ------
    InputError
        If a covariate is constant, a text column has a value for nearly every participant, or the
        columns cannot be told apart, such as a site that has all patients.
    """
    people = groups.participants
    group = np.array([float(one.group == groups.names[0]) for one in people])
    columns: dict[str, NDArray[np.float64]] = {}
    for name in covariates:
        columns |= _columns(name, [one.covariates[name] for one in people])
    folds = ["+".join(map(str, one.folds)) for one in people]
    if len(set(folds)) > 1 and any(len(one.folds) == 1 for one in people):
        columns |= _dummies("fold", folds)
    confounds = np.array(list(columns.values())).reshape(len(columns), len(people)).T
    confounds = confounds - confounds.mean(0)
    full = np.column_stack([np.ones(len(people)), group, confounds / _scale(confounds)])
    if np.linalg.matrix_rank(full) < full.shape[1]:
        raise InputError(
            f"the group and {', '.join(columns)} cannot be told apart: a column is a combination "
            "of the others, such as a site that has all patients; leave one out"
        )
    design = Design(group, confounds, tuple(columns))
    if design.degrees_of_freedom < 2:
        raise InputError(
            f"{len(people)} participants are too few for {len(columns)} columns of covariates"
        )
    return design


def _columns(name: str, values: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    if len(set(values)) == 1:
        raise InputError(f"{name} is {values[0]!r} for all participants: leave it out")
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        if len(set(values)) > len(values) / 2:
            raise InputError(
                f"{name} has {len(set(values))} different texts for {len(values)} participants: "
                "a covariate is a number, or a category with several participants in each"
            ) from None
        return _dummies(name, values)
    if not np.isfinite(numbers).all():
        raise InputError(f"{name} has a value that is not finite")
    return {name: numbers}


def _dummies(name: str, values: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    return {
        f"{name} {one}": np.array([float(value == one) for value in values])
        for one in sorted(set(values))[1:]
    }


def _scale(columns: NDArray[np.float64]) -> NDArray[np.float64]:
    deviation: NDArray[np.float64] = columns.std(0)
    return np.where(deviation > 0, deviation, 1.0)
