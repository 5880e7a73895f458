"""What `hrcam map` found when it checked a few of its own maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.maps_folder import MapsFolder
from hrcam.artifacts.text import read_object
from hrcam.errors import InputError
from hrcam.sanity.checks import MapChecks

SANITY = "sanity.json"

_NOT_KNOWN = "Nothing was checked, so this page cannot say whether the maps mean anything."
_AGAIN = "Run the same `hrcam map` command again: it leaves the maps as they are and checks them"


@dataclass(frozen=True, eq=False)
class Examples:
    """Maps of the same scans, made in several ways.

    Attributes
    ----------
    columns
        What is in each column: the image, then maps, the HR-CAM pattern first.
    rows
        Name and class of each scan.
    pictures
        Shape (rows, columns, *plane).
    volumes
        Whether the planes are slices of volumes.
    radiological
        Whether the plane's axes run to the right and to the front or up.
    spacing
        Of the plane, in mm; None where pixels are square.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, str], ...]
    pictures: NDArray[np.float32]
    volumes: bool = False
    radiological: bool = False
    spacing: tuple[float, ...] | None = None


@dataclass(frozen=True, eq=False)
class Sanity:
    """Checks of the maps of one network.

    Attributes
    ----------
    checks
        What was found.
    examples
        To look at.
    network
        Which one, as "the network of fold 3".
    seen
        Whether it had learnt from the scans that were checked.
    others_learnt
        Whether the networks that it was compared with had.
    """

    checks: MapChecks
    examples: Examples
    network: str
    seen: bool = False
    others_learnt: bool = False


def read_sanity(maps: MapsFolder | None) -> Sanity | str:
    """Read the checks of a folder of maps.

    Returns
    -------
    The checks, or why there are none and what to do: a page shows its maps all the same.
    """
    if maps is None:
        return (
            f"{_NOT_KNOWN} A training has no maps yet: `hrcam map RUN COHORT --out MAPS` makes "
            "them and checks some, and `hrcam report RUN --maps MAPS --out FILE` shows both."
        )
    path = maps.folder / SANITY
    if not path.exists():
        return (
            f"{_NOT_KNOWN} The folder of maps has no {SANITY}: an earlier version made it, or "
            f"only later parts of a job with --shard. {_AGAIN} (with --shard, that of part 1)."
        )
    try:
        content = read_object(path)
        sanity = _sanity(content, maps.folder)
    except InputError as error:
        reason = str(error).replace(str(path), path.name)
        return f"{_NOT_KNOWN} {reason}. Delete {SANITY}. {_AGAIN}."
    if any(record.run != content.get("Run") for record in maps.records):
        return f"{_NOT_KNOWN} {SANITY} is of another training than the maps. {_AGAIN}."
    return sanity


def _sanity(content: Mapping[str, Any], folder: Path) -> Sanity:
    checks = MapChecks.from_json(content)
    try:
        shown = content["Pictures"]
        spacing = shown["Spacing"]
        examples = Examples(
            columns=tuple(map(str, shown["Columns"])),
            rows=tuple((str(row["Scan"]), str(row["Class"])) for row in shown["Rows"]),
            pictures=_pictures(folder, str(shown["File"])),
            volumes=len(content["Grid"]) == 3,
            radiological=bool(shown["Radiological"]),
            spacing=None if spacing is None else tuple(map(float, spacing)),
        )
        if examples.pictures.shape[:2] != (len(examples.rows), len(examples.columns)):
            raise ValueError(f"{shown['File']} has the shape {examples.pictures.shape}")
        return Sanity(
            checks,
            examples,
            f"the network of fold {int(content['Fold'])}",
            bool(content["SeenInTraining"]),
            bool(content["OthersLearntFromThem"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{SANITY} cannot be understood ({type(error).__name__}: {error})"
        ) from error


def _pictures(folder: Path, name: str) -> NDArray[np.float32]:
    if Path(name).name != name:
        raise InputError(f"{name!r} is not a file of the folder")
    try:
        pictures = np.asarray(np.load(folder / name, allow_pickle=False), np.float32)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{name} cannot be read") from error
    if pictures.ndim != 4 or not np.isfinite(pictures).all():
        raise InputError(f"{name} holds no pictures")
    return pictures
