"""What can be wrong with an image or a table: a code, and one line that says what to do."""

from dataclasses import dataclass
from enum import StrEnum

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
    SLICE_GAP = "slice-gap"
    GANTRY_TILT = "gantry-tilt"
    MIXED_SERIES = "mixed-series"
    CHANNEL_MISMATCH = "channel-mismatch"
    MIXED_DIMENSIONS = "mixed-dimensions"
    MIXED_SHAPES = "mixed-shapes"
    MASK_MISMATCH = "mask-mismatch"
    DUPLICATE_IMAGE = "duplicate-image"
    DUPLICATE_NAME = "duplicate-name"
    BAD_NAME = "bad-name"
    NO_LABEL = "no-label"
    SMALL_CLASS = "small-class"
    SPLIT_LEAK = "split-leak"
    BAD_SPLIT = "bad-split"


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
