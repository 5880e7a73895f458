"""Names of scans and classes as BIDS allows them: letters and digits of ASCII."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Sequence

# Room for a map's other entities within the 255 bytes of a file name.
_LONGEST = 100
_BIDS_NAME = re.compile(r"sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*")


def bids_scan_names(scans: Sequence[str]) -> dict[str, str]:
    """Name the files of each scan: ``sub-01_ses-02`` as it is, ``case7`` as ``sub-case7``.

    Parameters
    ----------
    scans
        Names of scans, all different; any text.

    Returns
    -------
    By scan, a name that starts with ``sub-`` and is safe on every disk; all different when case
    is ignored. Where something had to be dropped, eight digits of a hash stand for it.
    """
    return _unique(scans, _as_scan_name, "sub-")


def bids_labels(classes: Sequence[str]) -> dict[str, str]:
    """Name each class by letters and digits only, all different when case is ignored."""
    return _unique(classes, _as_label, "")


def _as_scan_name(text: str) -> str | None:
    if _BIDS_NAME.fullmatch(text):
        return text
    return f"sub-{text}" if _as_label(text) else None


def _as_label(text: str) -> str | None:
    return text if text.isascii() and text.isalnum() else None


def _unique(
    texts: Sequence[str], exact: Callable[[str], str | None], prefix: str
) -> dict[str, str]:
    """Give each text its exact name, or a hashed one if it has none that is its own."""
    wanted = {text: exact(text) or "" for text in texts}
    counts = Counter(name.casefold() for name in wanted.values())
    return {
        text: name
        if 0 < len(name) <= _LONGEST and counts[name.casefold()] == 1
        else _hashed(text, prefix)
        for text, name in wanted.items()
    }


def _hashed(text: str, prefix: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = re.sub(r"[^A-Za-z0-9]", "", text.removeprefix(prefix))[:40]
    return f"{prefix}{kept}{digest}"
