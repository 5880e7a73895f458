"""The colour scale of all overlays in a folder of maps: ``overlays.json``, written once."""

import math
from pathlib import Path

from hrcam.artifacts.atomic import create_atomically
from hrcam.artifacts.formats import BIDS_FORMAT, encode_json, read_versioned
from hrcam.artifacts.map_names import OVERLAYS
from hrcam.errors import InputError

OVERLAYS_FORMAT = 1
UNIT = "root SD"
"""Unit of the pattern: the root of standard deviations of the reference images."""


def read_overlay_limit(folder: Path) -> float | None:
    """Read the value of the pattern with the strongest colour; None if nothing was written yet.

    Raises
    ------
    NewerFormatError
        If a newer version of hrcam has written the file.
    InputError
        If the file is damaged.
    """
    path = folder / OVERLAYS
    if not path.exists():
        return None
    limit = read_versioned(path, OVERLAYS_FORMAT).get("Limit")
    if not isinstance(limit, (int, float)) or not math.isfinite(limit) or limit <= 0:
        raise InputError(f"{path} has the limit {limit!r}: delete it, and run the command again")
    return float(limit)


def keep_overlay_limit(folder: Path, limit: float, scans: int) -> float:
    """Write the limit of a folder's overlays, unless another job did; return what counts.

    Parameters
    ----------
    folder
        A folder of maps.
    limit
        Value of the pattern with the strongest colour, above 0.
    scans
        Number of scans by whose maps it was chosen.
    """
    content = {BIDS_FORMAT: OVERLAYS_FORMAT, "Limit": limit, "Unit": UNIT, "Scans": scans}
    create_atomically(folder / OVERLAYS, encode_json(content))
    return read_overlay_limit(folder) or limit
