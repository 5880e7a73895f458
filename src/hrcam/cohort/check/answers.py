"""Whether several labels of a cohort are answers of yes and no that can be learnt."""

from collections.abc import Mapping, Sequence

from hrcam.cohort.check.consistency import Shown
from hrcam.cohort.problems import Problem, Reason
from hrcam.cohort.reasons import problem
from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan
from hrcam.cohort.several_labels import answers_in
from hrcam.errors import InputError

_FEWEST = 2
"""Independent participants with a label, and without it: to train on one, and test the other."""


def answer_problems(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str], shown: Shown
) -> list[Problem]:
    """Find answers that are neither yes nor no, and labels that nearly every or no scan has.

    Parameters
    ----------
    scans
        Scans that can be used otherwise, with labels.
    voxel_hashes
        By the name of the scan.
    shown
        How to show the image of a scan.

    Returns
    -------
    list of Problem
        A refusal of each scan with another answer, and one of the cohort for each label that cannot
        be learnt.
    """
    problems, usable = [], []
    for scan in scans:
        try:
            answers_in(scan.label)
        except InputError as error:
            problems.append(problem(scan.name, shown(scan), Reason.BAD_VALUE, str(error)))
        else:
            usable.append(scan)
    related = [
        [answers_in(scan.label) for scan in members]
        for members in related_scans(usable, voxel_hashes)
    ]
    names = dict.fromkeys(name for members in related for one in members for name in one)
    for name in names:
        having, lacking = (
            sum(any(one.get(name) is answer for one in members) for members in related)
            for answer in (True, False)
        )
        if min(having, lacking) < _FEWEST:
            message = (
                f"the label {name!r} has {having} independent participants, and {lacking} are "
                f"known to lack it: it needs {_FEWEST} of each"
            )
            problems.append(problem("", "", Reason.SMALL_CLASS, message))
    return problems
