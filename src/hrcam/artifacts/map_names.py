"""Names of all files in a folder of maps, as BIDS has them: the one place where they are made."""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hrcam.errors import InputError

DESCRIPTION, README, BIDSIGNORE = "dataset_description.json", "README.md", ".bidsignore"
DESCRIPTIONS = "descriptions.tsv"
SOURCEDATA = "sourcedata"
"""Folder in which BIDS leaves alone what maps are made from, such as a training."""

MAPS, FAILURES, OVERLAYS = "maps.tsv", "failures.tsv", "overlays.json"
SANITY, PICTURES = "sanity.json", "sanity.npy"
STORED = "dicom_stored.tsv"

IGNORED = (
    "*_statmap.*", "*_dseg.png", "/*.html",
    *(f"/{name}" for name in (MAPS, FAILURES, OVERLAYS, SANITY, PICTURES, STORED)),
)  # fmt: skip
"""What BIDS has no name for, for ``.bidsignore``: maps with a sign, which other software of the
field calls ``statmap`` too, pictures, DICOM objects, pages, and tables of all scans."""

RECORD_END = "_statmap.json"
"""What the name of every record ends with: the sidecar of all maps of a scan for one class."""

DATATYPES = ("anat", "dwi", "func")
"""Folders in which BIDS has segmentations."""


@dataclass(frozen=True)
class ScanPlace:
    """Where the files of one scan go.

    Attributes
    ----------
    folder
        Of the subject, or of its session, and of the kind of image.
    name
        What all its files start with; other scans of the subject may start with it as well.
    """

    folder: Path
    name: str

    @classmethod
    def of(cls, out: Path, name: str, datatype: str = DATATYPES[0]) -> "ScanPlace":
        """Return the place of a scan in a folder of maps.

        Parameters
        ----------
        out
            The folder.
        name
            BIDS name of the scan, without the entities ``label``, ``seg`` and ``desc``.
        datatype
            One of `DATATYPES`.

        Raises
        ------
        InputError
            If that is outside the folder, as through a link.
        """
        entities = name.split("_")
        session = [entity for entity in entities if entity.startswith("ses-")]
        inside = Path(entities[0], *session[:1], datatype)
        folder = out / inside
        if any(path.is_symlink() for path in (folder, *folder.parents[: len(inside.parts) - 1])):
            raise InputError(f"{folder} leads out of {out}: remove the link")
        return cls(folder, name)

    def record(self, label: str) -> Path:
        """Return where the record of the maps of a class is, by the class's BIDS label."""
        return self.folder / f"{self.name}_label-{label}{RECORD_END}"

    def map(self, label: str, kind: str, suffix: str) -> Path:
        """Return where the map of a kind is, of a class."""
        return self.folder / f"{self.name}_label-{label}_desc-{kind}_statmap{suffix}"

    def findings(self, label: str, suffix: str) -> Path:
        """Return where the label image of the findings of a class is, its table or its sidecar."""
        return self.folder / f"{self.name}_seg-{label}_desc-findings_dseg{suffix}"

    def records(self) -> list[Path]:
        """Return the records of this scan, one for each class that it was mapped for."""
        start = f"{self.name}_label-"

        def fits(name: str) -> bool:
            if not (name.startswith(start) and name.endswith(RECORD_END)):
                return False
            label = name[len(start) : -len(RECORD_END)]
            return label != "" and "_" not in label

        return _matching(self.folder, fits)

    def partials(self) -> list[Path]:
        """Return what killed jobs left half written of this scan."""
        files = rf"{re.escape(self.name)}_(label|seg)-{_LABEL}(_desc-{_LABEL})?_(statmap|dseg)"
        pattern = re.compile(rf"\.{files}\.[^_]+\.partial")
        return _matching(self.folder, lambda name: pattern.fullmatch(name) is not None)


# A label has no underscore, so that what follows one is an entity of another scan's name.
_LABEL = "[^_]+"


def record_paths(out: Path) -> list[Path]:
    """Return the records of a folder of maps, sorted."""
    return sorted(
        path
        for folders in ("sub-*/*", "sub-*/ses-*/*")
        for path in out.glob(f"{folders}/*{RECORD_END}")
    )


def files_beside(record: Path) -> list[Path]:
    """Return the maps and findings that belong to a record, whether it names them or not."""
    name, _, label = record.name.removesuffix(RECORD_END).rpartition("_label-")
    maps = rf"_label-{re.escape(label)}_desc-{_LABEL}_statmap"
    findings = rf"_seg-{re.escape(label)}_desc-{_LABEL}_dseg"
    pattern = re.compile(rf"{re.escape(name)}({maps}|{findings})\.[^_]+")
    return _matching(record.parent, lambda found: pattern.fullmatch(found) is not None)


def _matching(folder: Path, fits: Callable[[str], bool]) -> list[Path]:
    try:
        with os.scandir(folder) as entries:  # a path for each file would take most of the time
            names = [entry.name for entry in entries]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [folder / name for name in sorted(names) if fits(name)]
