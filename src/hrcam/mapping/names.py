"""Names of scans and classes as BIDS allows them: ASCII letters and digits."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from hrcam.artifacts.map_names import DATATYPES

# Leaves space for a map's other entities within the 255 bytes of a file name.
_LONGEST = 100
_BIDS_NAME = re.compile(r"sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*")
_ENTITIES = (
    "sub", "ses", "task", "acq", "ce", "rec", "dir", "run", "echo", "part", "space", "chunk", "res",
)  # fmt: skip
"""Entities that maps take over from the name of their image, in the order of BIDS: those that it
allows for a segmentation, without those that tell one from another."""
_NUMBERED = {"run", "echo", "chunk"}


def bids_scan_names(scans: Sequence[str]) -> dict[str, str]:
    """Return a BIDS name for each scan: ``sub-01_ses-02`` as it is, ``case7`` as ``sub-case7``.

    Of a BIDS name the entities stay that maps may have: ``sub-01_desc-preproc`` becomes ``sub-01``.

    Parameters
    ----------
    scans
        Names of scans, all different, of any text.

    Returns
    -------
    For each scan a name that starts with ``sub-`` and is valid on every file system; they differ
    when case is ignored. If characters had to be removed, eight digits of a hash are appended.
    """
    return _unique(scans, _as_scan_name, "sub-")


def name_beside(scan: str, sources: Sequence[Path]) -> str:
    """Name a scan whose own name other images of the folder have: by where its images are."""
    places = "\n".join(map(str, sources))
    return f"{scan}-{_digest(places)}"


def bids_labels(classes: Sequence[str]) -> dict[str, str]:
    """Return a name of letters and digits for each class, all different when case is ignored."""
    return _unique(classes, _as_label, "")


def bids_datatype(image: Path) -> str:
    """Return the folder of BIDS for the maps of an image: ``dwi`` for one in such a folder."""
    kind = image.parent.name
    return kind if kind in DATATYPES and image.name.startswith("sub-") else DATATYPES[0]


def _as_scan_name(text: str) -> str | None:
    if _BIDS_NAME.fullmatch(text):
        pairs = [entity.split("-") for entity in text.split("_")]
        found = {key: value for key, value in pairs if key in _ENTITIES}
        if len(found) < sum(key in found for key, _ in pairs):
            return None
        if not all(value.isdecimal() for key, value in found.items() if key in _NUMBERED):
            return None
        return "_".join(f"{key}-{found[key]}" for key in _ENTITIES if key in found)
    return f"sub-{text}" if _as_label(text) else None


def _as_label(text: str) -> str | None:
    return text if text.isascii() and text.isalnum() else None


def _unique(
    texts: Sequence[str], exact: Callable[[str], str | None], prefix: str
) -> dict[str, str]:
    """Give each text its exact name if that is valid and unique, else a hashed one."""
    wanted = {text: exact(text) or "" for text in texts}
    counts = Counter(name.casefold() for name in wanted.values())
    return {
        text: name
        if 0 < len(name) <= _LONGEST and counts[name.casefold()] == 1
        else _hashed(text, prefix)
        for text, name in wanted.items()
    }


def _hashed(text: str, prefix: str) -> str:
    digest = _digest(text)
    kept = re.sub(r"[^A-Za-z0-9]", "", text.removeprefix(prefix))[:40]
    return f"{prefix}{kept}{digest}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
