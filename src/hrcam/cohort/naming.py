"""Names of scans: safe as file names on every disk, and unique on those that ignore case."""

import hashlib
import re
import unicodedata
from collections.abc import Sequence

LONGEST = 100
"""Most characters of a safe name before its number: room for what a map's file name adds."""

_SAFE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?=[A-Za-z0-9_-]))*")
# Windows opens a device where it is asked for a file of these names, whatever follows the dot.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\.|$)", re.IGNORECASE)
_SUBJECT = re.compile(r"sub-[A-Za-z0-9]+(?=_|$)")


def safe_name(text: str) -> str:
    """Turn any text into a file name that no disk and no shell gives a meaning.

    Letters, digits, ``_``, ``-`` and inner dots of ASCII stay as they are. Text with anything
    else, or longer than 100 characters, is shortened to what can stay and gets eight digits of
    its SHA-256, so that different texts keep different names.

    Parameters
    ----------
    text
        Anything, ``../../x``, ``<b>`` and 300 letters included.

    Returns
    -------
    str
        At most 100 characters.
    """
    if len(text) <= LONGEST and _SAFE.fullmatch(text) and not _DEVICE.match(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    kept = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")[: LONGEST - 9].rstrip("-_")
    if _DEVICE.match(kept):
        kept = f"scan-{kept}"
    return f"{kept or 'scan'}-{digest}"


def unique_names(wanted: Sequence[tuple[str, str]]) -> list[str]:
    """Safe names of scans, the second of the same name with ``-2``, whatever order they come in.

    Parameters
    ----------
    wanted
        For each scan the name it would like, and a text that tells it from others that would
        like the same (its image): their numbers follow the order of these texts.

    Returns
    -------
    list of str
        One name each, all different when case is ignored.
    """
    safe = [safe_name(text) for text, _ in wanted]
    first = {name.casefold() for name in safe}
    names = [""] * len(wanted)
    taken: set[str] = set()
    numbers: dict[str, int] = {}
    for place in sorted(range(len(wanted)), key=lambda i: (safe[i].casefold(), *wanted[i])):
        name, key = safe[place], safe[place].casefold()
        while name.casefold() in taken:
            numbers[key] = numbers.get(key, 1) + 1
            candidate = f"{safe[place]}-{numbers[key]}"
            # A number that another scan has for its own name stays with that scan.
            name = candidate if candidate.casefold() not in first else name
        names[place] = name
        taken.add(name.casefold())
    return names


def bids_scan(name: str) -> tuple[str, str] | None:
    """Read from a name in the manner of BIDS which scan it is, and whose.

    Parameters
    ----------
    name
        Of a file, without what follows the dot, or of a folder: ``sub-01_ses-2_T1w``.

    Returns
    -------
    tuple of str, or None
        The scan, ``sub-01_ses-2``, and the participant, ``sub-01``; None for any other name.
    """
    subject = _SUBJECT.match(name)
    if subject is None:
        return None
    entities, _, last = name.rpartition("_")
    # Entities have a hyphen. What comes last and has none is the suffix: the kind of image.
    return name if "-" in last else entities, subject[0]


def natural_order(text: str) -> list[tuple[int, int, str]]:
    """Sort key by which ``scan-2`` comes before ``scan-10``."""
    parts = re.split(r"(\d+)", text)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


def same_when_read(text: str) -> str:
    """Put aside case, spacing and forms of letters: what is left is what a person reads."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def is_plain_text(text: str) -> bool:
    """Tell whether text can stand in a table and a file: no control character, valid Unicode."""
    # Cc and Zl, Zp: controls and line breaks. Cs: bytes of a file name that are no UTF-8.
    return not any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in text)
