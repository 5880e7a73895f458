"""What `hrcam map` found when it checked its own maps: ``sanity.json`` and ``sanity.npy``."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.check_results import MapChecks
from hrcam.artifacts.formats import BIDS_FORMAT, encode_json, read_versioned
from hrcam.artifacts.map_names import PICTURES, SANITY
from hrcam.artifacts.maps_folder import MapsFolder
from hrcam.artifacts.scan_record import map_versions
from hrcam.errors import InputError, NewerFormatError

SANITY_FORMAT = 2

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


@dataclass(frozen=True)
class SanityInput:
    """What the checks were made of: they are up to date while none of it changes.

    Attributes
    ----------
    run
        What tells the training run from others.
    fold
        Whose network was checked, counted from 1.
    scans
        Name, voxel hash and class of each map that was checked.
    masks
        Of each scan the size and the time of change of its mask; None without one.
    limits
        Of the checks.
    """

    run: Mapping[str, Any]
    fold: int
    scans: tuple[tuple[str, str, str], ...]
    masks: tuple[tuple[int, float] | None, ...]
    limits: Mapping[str, float]

    def to_json(self) -> dict[str, Any]:
        """Return plain content for a JSON file."""
        return {
            "Run": dict(self.run),
            "Fold": self.fold,
            "Scans": [list(scan) for scan in self.scans],
            "Masks": [None if mask is None else list(mask) for mask in self.masks],
            "Limits": dict(self.limits),
        }


def is_checked(out: Path, now: SanityInput) -> bool:
    """Tell whether a folder of maps holds the checks of just this.

    Raises
    ------
    NewerFormatError
        If a newer version of hrcam has written them.
    """
    try:
        before = read_versioned(out / SANITY, SANITY_FORMAT)
    except NewerFormatError:
        raise
    except InputError:
        return False
    same = all(before.get(name) == value for name, value in now.to_json().items())
    return same and (out / PICTURES).is_file()


def write_sanity(
    out: Path,
    checked: SanityInput,
    checks: MapChecks,
    examples: Examples,
    grid: tuple[int, ...],
    *,
    seen: bool,
    others_learnt: bool,
) -> None:
    """Write the checks of a folder of maps, after the pictures.

    Parameters
    ----------
    out
        The folder.
    checked, checks, examples
        What was checked, what was found, and what there is to look at.
    grid
        Shape of the network's grid.
    seen, others_learnt
        As in `Sanity`.
    """
    content = {
        BIDS_FORMAT: SANITY_FORMAT,
        **checked.to_json(),
        "SeenInTraining": seen,
        "OthersLearntFromThem": others_learnt,
        "Grid": list(grid),
        **checks.to_json(),
        "Pictures": {
            "File": PICTURES,
            "Columns": list(examples.columns),
            "Rows": [{"Scan": scan, "Class": name} for scan, name in examples.rows],
            "Radiological": examples.radiological,
            "Spacing": examples.spacing,
        },
        "Versions": map_versions(),
    }
    # Without its record the pictures are nothing: a killed job leaves no two that do not fit.
    (out / SANITY).unlink(missing_ok=True)
    buffer = io.BytesIO()
    np.save(buffer, examples.pictures, allow_pickle=False)
    write_atomically(out / PICTURES, buffer.getvalue())
    write_atomically(out / SANITY, encode_json(content))


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
        content = read_versioned(path, SANITY_FORMAT)
        sanity = _sanity(content, maps.folder)
    except NewerFormatError as error:
        return f"{_NOT_KNOWN} {str(error).replace(str(path), path.name)}."
    except InputError as error:
        reason = str(error).replace(str(path), path.name)
        return f"{_NOT_KNOWN} {reason}. Delete {SANITY}. {_AGAIN}."
    if any(record.run != content.get("Run") for record in maps.records):
        return f"{_NOT_KNOWN} {SANITY} is of another training than the maps. {_AGAIN}."
    if "Limits" not in content:
        return (
            f"{_NOT_KNOWN} {SANITY} is of an earlier version, which changed a limit with the maps. "
            f"{_AGAIN}."
        )
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
