"""Whether the labels of a cohort are numbers that can be learnt by regression."""

from collections.abc import Sequence

from hrcam.cohort.check.consistency import Shown
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reasons import problem
from hrcam.cohort.scan import Scan
from hrcam.cohort.values import number_in


def value_problems(scans: Sequence[Scan], shown: Shown) -> list[Problem]:
    """Find labels that cannot be learnt by regression.

    Parameters
    ----------
    scans
        Scans that can be used otherwise, with labels.
    shown
        How to show the image of a scan.

    Returns
    -------
    list of Problem
        A refusal for each label that is no number; one refusal of the cohort if all numbers are
        the same.
    """
    problems = [
        problem(scan.name, shown(scan), Reason.BAD_VALUE, f"the label {scan.label!r} is no number")
        for scan in scans
        if number_in(scan.label) is None
    ]
    values = {number_in(scan.label) for scan in scans} - {None}
    if len(values) == 1:
        message = f"all labels are the number {values.pop():g}"
        problems.append(problem("", "", Reason.BAD_VALUE, message))
    return problems
