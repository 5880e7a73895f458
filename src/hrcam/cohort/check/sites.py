"""Whether class and site can be told apart: if not, a network may learn the scanner."""

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.naming import natural_order
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Scan

STRONG = 0.5
"""Cramér's V of class and site above which there is a warning; 0 is none, 1 is one for one."""

ENOUGH = 20
"""Fewest participants for that: of fewer, V is often as high by chance."""


def site_problems(scans: Sequence[Scan]) -> list[Problem]:
    """Find classes that come from one site, and else a class that goes with the site.

    Parameters
    ----------
    scans
        Scans that can be used otherwise, with labels.

    Returns
    -------
    list of Problem
        Warnings; none for a cohort of one site, or without sites.
    """
    sites: defaultdict[str, set[str | None]] = defaultdict(set)
    for scan in scans:
        sites[str(scan.label)].add(scan.site)
    if len(set().union(*sites.values()) - {None}) < 2:
        return []
    confined = [
        (label, *found_at)
        for label, found_at in sorted(sites.items())
        if len(found_at) == 1 and None not in found_at
    ]
    if confined:
        return [
            problem(
                "",
                "",
                Reason.CONFOUNDED_SITE,
                f"the class {label!r} comes from the site {site!r} only",
                refused=False,
            )
            for label, site in confined
        ]
    return _association(scans)


def left_out_problems(scans: Sequence[Scan], column: str) -> list[Problem]:
    """Find values of a column that is left out whose scans lack a class: they have no AUC.

    Parameters
    ----------
    scans
        Scans that can be used, with labels; those without a value in the column do not count.
    column
        Name of the column, in any case.

    Returns
    -------
    list of Problem
        A warning that names these values, if there are any.
    """
    column = column.casefold()
    participants = {
        (s.columns[column], str(s.label), s.group) for s in scans if column in s.columns
    }
    counts = Counter((value, label) for value, label, _ in participants)
    labels = sorted({label for _, label in counts})
    lacking = [
        f"{value} ({', '.join(f'{label} {counts[value, label]}' for label in labels)})"
        for value in sorted({value for value, _ in counts}, key=natural_order)
        if not all(counts[value, label] for label in labels)
    ]
    if not lacking:
        return []
    return [
        Problem(
            "",
            "",
            Reason.CONFOUNDED_SITE,
            f"values of the column {column!r} lack a class, so the AUC where they are left out, "
            f"and its mean of folds, are undefined: {'; '.join(lacking)}",
            "add scans of the class there, leave these scans out, or merge the value with another",
            refused=False,
        )
    ]


def _association(scans: Sequence[Scan]) -> list[Problem]:
    # A participant counts once, however often scanned.
    known = {(s.participant, str(s.label), s.site) for s in scans if s.site is not None}
    participants = len({participant for participant, _, _ in known})
    if participants < ENOUGH:
        return []
    labels = sorted({label for _, label, _ in known})
    sites = sorted({site for _, _, site in known})
    counts = np.zeros((len(labels), len(sites)))
    for _, label, site in known:
        counts[labels.index(label), sites.index(site)] += 1
    strength = cramers_v(counts)
    if strength <= STRONG:
        return []
    return [
        Problem(
            "",
            "",
            Reason.CONFOUNDED_SITE,
            f"class and site go together: Cramér's V is {strength:.2f} over {participants} "
            "participants (0: unrelated, 1: one tells the other)",
            "add scans until each site has its share of every class, or compare within one site",
            refused=False,
        )
    ]


def cramers_v(counts: NDArray[np.float64]) -> float:
    """Measure how closely rows and columns of a table go together.

    Parameters
    ----------
    counts
        Shape (rows, columns), each row and column with a count.

    Returns
    -------
    float
        Cramér's V from 0 to 1, corrected for what chance adds to tables with few counts
        (Bergsma, Journal of the Korean Statistical Society 42, 2013); 0 for one row or column.
    """
    if min(counts.shape) < 2:
        return 0.0
    total = counts.sum()
    expected = counts.sum(1, keepdims=True) * counts.sum(0, keepdims=True) / total
    squared = float(((counts - expected) ** 2 / expected).sum() / total)
    rows, columns = counts.shape
    by_chance = (rows - 1) * (columns - 1) / (total - 1)
    least = min(size - (size - 1) ** 2 / (total - 1) for size in (rows, columns)) - 1
    return float(np.sqrt(max(squared - by_chance, 0.0) / least)) if least > 0 else 0.0
