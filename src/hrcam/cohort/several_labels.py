"""Several labels of a scan at once, each yes, no or not known: their text, and their strata."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hrcam.cohort.related import related_scans
from hrcam.cohort.scan import Scan
from hrcam.errors import InputError

SEPARATOR = ","
"""Between the names of columns, as in "edema,effusion"."""

UNKNOWN = "n/a"

_YES = frozenset({"1", "1.0", "true", "yes"})
_NO = frozenset({"0", "0.0", "false", "no"})

Answers = Mapping[str, bool | None]
"""Whether a scan has each label, by its name in small letters; None where it is not known."""


def label_names(columns: str | None) -> tuple[str, ...]:
    """Return the names of several labels, which are those of their columns.

    Parameters
    ----------
    columns
        As "edema,effusion".

    Raises
    ------
    InputError
        If there are fewer than two, a name occurs twice, or one has a sign that separates labels.
    """
    names = tuple(name.strip() for name in (columns or "").split(SEPARATOR) if name.strip())
    if len(names) < 2:
        raise InputError(
            f"the label column is {columns!r}, and several labels need a column for each: name "
            "them as --label-column edema,effusion (label_column=...)"
        )
    if len({name.casefold() for name in names}) < len(names):
        raise InputError(f"the label columns {columns!r} name one twice: leave it out")
    if odd := [name for name in names if "=" in name or ";" in name]:
        raise InputError(f"the label column {odd[0]!r} has '=' or ';' in its name: rename it")
    return names


def label_text(cells: Mapping[str, str | None]) -> str | None:
    """Put the answers of a scan into one text, as "edema=1;effusion=n/a"; None if none is known.

    What is neither yes nor no stays as it is, to be reported.
    """
    if all(text is None for text in cells.values()):
        return None
    return ";".join(f"{name}={_plain(text)}" for name, text in cells.items())


def _plain(text: str | None) -> str:
    if text is None:
        return UNKNOWN
    folded = text.casefold()
    return "1" if folded in _YES else "0" if folded in _NO else text


def answers_in(label: str | None) -> Answers:
    """Read the text of `label_text`.

    Raises
    ------
    InputError
        If an answer is neither yes nor no.
    """
    answers: dict[str, bool | None] = {}
    for part in (label or "").split(";"):
        name, _, text = part.rpartition("=")
        if not name or text not in ("0", "1", UNKNOWN):
            raise InputError(
                f"the answer {part!r} is none of 0/1, false/true, no/yes, or n/a where it is not "
                "known"
            )
        answers[name] = None if text == UNKNOWN else text == "1"
    return answers


def answers_of(scan: Scan, names: Sequence[str]) -> tuple[bool | None, ...]:
    """Return whether a scan has each of the labels.

    Raises
    ------
    InputError
        If an answer is neither yes nor no.
    """
    answers = answers_in(scan.label)
    return tuple(answers.get(name.casefold()) for name in names)


def with_combinations(
    scans: Sequence[Scan], voxel_hashes: Mapping[str, str], folds: int
) -> tuple[Scan, ...]:
    """Label scans with their combinations of labels, of which each fold is to have its share.

    Scans that must stay together have one combination, of all labels that one of them has. A
    combination of fewer participants or groups than there are folds is replaced by its number of
    labels, and where these are too few, by the most frequent one. Where the table has a split, two
    participants of its part "train" are enough.

    Parameters
    ----------
    scans
        Scans whose labels are texts of `label_text`.
    voxel_hashes
        Hash of the voxels by the name of each scan.
    folds
        Number of folds.

    Returns
    -------
    tuple of Scan
        The scans in another order, labelled as "edema + effusion", "none" or "3 labels".
    """
    related = related_scans(scans, voxel_hashes)
    found = [sorted(set().union(*(_present(scan) for scan in members))) for members in related]
    names = [" + ".join(present) or "none" for present in found]
    numbers = [f"{len(present)} labels" for present in found]
    split = any(scan.split is not None for scan in scans)
    needed = 2 if split else folds
    learnt = [not split or members[0].split == "train" for members in related]
    for coarser in (numbers, None):
        counts = Counter(name for name, here in zip(names, learnt, strict=True) if here)
        usual = min(counts, key=lambda name: (-counts[name], name), default="")
        names = [
            name if counts[name] >= needed else usual if coarser is None else coarser[place]
            for place, name in enumerate(names)
        ]
    return tuple(
        replace(scan, label=name)
        for name, members in zip(names, related, strict=True)
        for scan in members
    )


def _present(scan: Scan) -> set[str]:
    return {name for name, answer in answers_in(scan.label).items() if answer}
