"""What can be wrong with an image or a table: a code, and one line that says what to do."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from hrcam.errors import InputError


class Reason(StrEnum):
    """Why an image or a row is refused, or worth a warning; the code that `hrcam check` prints."""

    MISSING = "missing"
    EMPTY = "empty"
    TRUNCATED = "truncated"
    LFS_POINTER = "lfs-pointer"
    WRONG_FORMAT = "wrong-format"
    UNSUPPORTED = "unsupported"
    UNREADABLE = "unreadable"
    TIME_AXIS = "time-axis"
    NOT_FINITE = "not-finite"
    CONSTANT = "constant"
    FORMS_DISAGREE = "qform-sform"
    SINGULAR_AFFINE = "singular-affine"
    SHEARED_AFFINE = "sheared-affine"
    VOXEL_SIZE = "voxel-size"
    NO_ORIENTATION = "no-orientation"
    SLICE_GAP = "slice-gap"
    DUPLICATE_SLICE = "duplicate-slice"
    GANTRY_TILT = "gantry-tilt"
    MIXED_SERIES = "mixed-series"
    CHANNEL_MISMATCH = "channel-mismatch"
    MIXED_DIMENSIONS = "mixed-dimensions"
    MIXED_SHAPES = "mixed-shapes"
    COLOUR = "colour"
    MASK_MISMATCH = "mask-mismatch"
    NOT_A_MASK = "not-a-mask"
    DUPLICATE_IMAGE = "duplicate-image"
    DUPLICATE_NAME = "duplicate-name"
    BAD_NAME = "bad-name"
    BAD_ROW = "bad-row"
    NO_LABEL = "no-label"
    BAD_VALUE = "bad-value"
    SMALL_CLASS = "small-class"
    CLASS_IMBALANCE = "class-imbalance"
    SPLIT_LEAK = "split-leak"
    BAD_SPLIT = "bad-split"
    CONFOUNDED_SITE = "confounded-site"
    SHORTCUT = "shortcut"


@dataclass(frozen=True)
class Problem:
    """One finding about a cohort.

    Attributes
    ----------
    scan
        Name of the scan, or "" for the cohort as a whole.
    file
        Path as the table gives it, or "".
    reason
        The code.
    message
        What was found, with numbers.
    advice
        What to do.
    refused
        True if the scan cannot be used; False for a warning.
    """

    scan: str
    file: str
    reason: Reason
    message: str
    advice: str
    refused: bool = True


MANY = 20
"""Most problems of one kind that `grouped` keeps apart."""

_NUMBER = re.compile(r"[-+]?\d[\d.,]*(?:e[-+]?\d+)?", re.IGNORECASE)


def without_numbers(message: str) -> str:
    """Replace every number, so that messages that differ by numbers alone become the same."""
    return _NUMBER.sub("#", message)


class Found(Protocol):
    """Whatever has a reason and a message: a `Problem`, or a row of a table of them."""

    @property
    def reason(self) -> str: ...  # noqa: D102
    @property
    def message(self) -> str: ...  # noqa: D102


AnyFound = TypeVar("AnyFound", bound=Found)


def grouped(problems: Iterable[AnyFound]) -> Iterator[tuple[AnyFound, int]]:
    """Yield problems, and one in place of more than `MANY` that differ by numbers alone.

    Yields
    ------
    tuple
        The problem, or the first of its kind, and for how many it stands.
    """
    listed = list(problems)
    kinds = Counter(map(_kind, listed))
    seen: set[tuple[str, str, bool]] = set()
    for found in listed:
        kind = _kind(found)
        if kinds[kind] <= MANY:
            yield found, 1
        elif kind not in seen:
            yield found, kinds[kind]
        seen.add(kind)


def _kind(found: Found) -> tuple[str, str, bool]:
    return found.reason, without_numbers(found.message), getattr(found, "refused", True)


@dataclass(frozen=True)
class Caution:
    """What is worth knowing about an image that can be used.

    Attributes
    ----------
    reason
        The code.
    message
        What was found, with numbers.
    advice
        What to do.
    """

    reason: Reason
    message: str
    advice: str


class ImageError(InputError):
    """An image that cannot be used.

    Attributes
    ----------
    reason
        The code.
    message
        What was found, with numbers; without the path, which is for the caller to add.
    advice
        What to do.
    """

    def __init__(self, reason: Reason, message: str, advice: str) -> None:
        super().__init__(f"{reason}: {message}; {advice}")
        self.reason, self.message, self.advice = reason, message, advice

    def __reduce__(self) -> tuple[type["ImageError"], tuple[Reason, str, str]]:
        """Let it travel between processes: an exception is made anew from its message alone."""
        return type(self), (self.reason, self.message, self.advice)


class RefusedScansError(InputError):
    """A cohort with scans that cannot be used.

    Attributes
    ----------
    problems
        What is wrong, one for each scan and reason.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        scans = {problem.scan for problem in self.problems}
        super().__init__(
            f"{len(scans)} scans were refused ({', '.join(sorted({p.reason for p in problems}))}): "
            "mend them as `hrcam check` says, or leave them out with --skip-bad (skip_bad=True)"
        )

    def __reduce__(self) -> tuple[type["RefusedScansError"], tuple[tuple[Problem, ...]]]:
        """Let it travel between processes."""
        return type(self), (self.problems,)
