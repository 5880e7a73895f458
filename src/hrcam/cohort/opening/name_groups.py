"""Names of images that tell who was imaged: `person1_bacteria_4`, `OAS1_0028_MR1`, `10_left`."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from hrcam.errors import InputError

# How public data sets and scanners name images. Each pattern starts where the name does, so that
# of several joined by "|" the first that fits counts. What is in brackets says who it is.
_PUBLISHED = (
    r"^(OAS[12]_\d{4}|OAS3\d{4})(?=_)",  # OASIS: OAS1_0028_MR1_mpr-1_100
    r"^(?:.*_)?(\d{3}_S_\d{4,5})(?!\d)",  # ADNI: ADNI_002_S_0295_MR_MP-RAGE
    r"^(TCGA[-_][A-Za-z0-9]{2}[-_][A-Za-z0-9]{4})(?![A-Za-z0-9])",  # TCGA_CS_4941_19960909_16
    r"^SOB_[BM]_[A-Z]+-(\d+-\w+)-\d+-\d+$",  # BreakHis: SOB_B_A-14-22549AB-40-001
    r"^(?:CNV|DME|DRUSEN|NORMAL)-(\d+)-\d+$",  # OCT: CNV-1016042-1
    r"^((?i:person|patient|subject|subj|case|pat|pid)[ _-]?\d+)(?!\d)",  # person1_bacteria_4
)
_VISITS = (
    r"^(.*?\d.*?)[ _-](?i:ses|session|visit|timepoint|tp|scan|run|slice|frame|view|image|img|patch"
    r"|tile|crop|part|series|day|week|month|year)[ _-]?\d+"
)
_SIDES = r"^(.+?)[ _-](?i:left|right|l|r|od|os)(?:[ _-].*)?$"
_COUNTED = r"^(.*\d.*?)[ _.-]+[A-Za-z]{0,3}[ _-]?\(?\d+\)?$"
_PATTERNS = (*_PUBLISHED, _VISITS, _SIDES, _COUNTED)

# Numbers that say how an image was taken, and not of whom: T1_001, brain_3T_7.
_SEQUENCE = re.compile(r"(?i:(?<![a-z\d])(?:t[12]w?|[23]d|[1-9](?:\.\d)?t|b\d+|v\d))(?![a-z\d])")
_UID = re.compile(r"[12]\.[\d.]+")
_SERIES = 12
"""Most images of a class with one stem that are taken for one person; more are a numbered series.
"""


@dataclass(frozen=True)
class NameGroups:
    """Names that share a stem, and are likely of one person.

    Attributes
    ----------
    groups
        Names by what they share; each has several.
    pattern
        A regular expression that makes these groups: `group_by` takes it.
    """

    groups: dict[str, tuple[str, ...]]
    pattern: str

    @property
    def surplus(self) -> int:
        """How many fewer people there are than names, if each group is one person."""
        return sum(len(names) - 1 for names in self.groups.values())


def likely_groups(names: Sequence[tuple[str, str | None]]) -> NameGroups | None:
    """Find names that share a stem.

    Parameters
    ----------
    names
        Of images, without their suffix, each with the class of the image.

    Returns
    -------
    NameGroups or None
        None if no two names share one.
    """
    found: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    labels: defaultdict[str, Counter[str | None]] = defaultdict(Counter)
    for name, label in names:
        for pattern in _PATTERNS:
            key = group_of(re.compile(pattern), name)
            if key is not None and not _UID.fullmatch(name):
                found[pattern][key].add(name)
                labels[key][label] += 1
                break
    sizes = Counter(label for _, label in names)
    groups: dict[str, tuple[str, ...]] = {}
    used = []
    for pattern in _PATTERNS:
        kept = {
            key: tuple(sorted(members))
            for key, members in found[pattern].items()
            if len(members) > 1
            and (pattern in _PUBLISHED or not _is_series(key, labels[key], sizes))
        }
        if kept:
            used.append(pattern)
            groups.update(kept)
    return NameGroups(groups, "|".join(used)) if groups else None


def _is_series(key: str, labels: Counter[str | None], sizes: Counter[str | None]) -> bool:
    """Tell stems that name a sequence or a whole class, as `T1_001` and `study2020_001` do."""
    sequence = _SEQUENCE.search(key) is not None
    if sequence and not any(letter.isdigit() for letter in _SEQUENCE.sub("", key)):
        return True
    whole = all(count == sizes[label] for label, count in labels.items())
    return whole and max(labels.values()) > _SERIES


def compiled(pattern: str) -> re.Pattern[str]:
    """Compile the pattern of `group_by`.

    Raises
    ------
    InputError
        If it is no regular expression.
    """
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InputError(
            f"group_by is {pattern!r}, which is no regular expression ({error}): write one as "
            r"'(\d+)_', whose part in brackets names the participant"
        ) from error


def group_of(pattern: re.Pattern[str], name: str) -> str | None:
    """Return what a name has in the brackets of a pattern, or in all of it; None for no match."""
    match = pattern.search(name)
    if match is None:
        return None
    return "_".join(part for part in match.groups() if part) or match[0] or None
