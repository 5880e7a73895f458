"""Rows of a cohort's table: a scan, and the cohort that it belongs to."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from hrcam.cohort.image import Colour
from hrcam.cohort.problems import Problem

TaskName = Literal["classification", "regression", "labels"]
"""What labels are: one class of several, a number, or several answers of yes or no."""


@dataclass(frozen=True)
class Scan:
    """One examination of one participant: what the network gets one prediction for.

    Attributes
    ----------
    name
        Unique in the cohort, usable as a file name: ``sub-01`` or ``sub-01_ses-02_run-1``.
    participant
        Who was examined, as the table says.
    images
        Path of each channel, by the channel's name, in the cohort's order of channels. A DICOM
        series is its folder.
    label
        Name of the class, a number, for regression, or several labels, as
        `hrcam.cohort.several_labels.label_text` writes them; None where it is missing.
    mask
        Where the pathology is, in the grid of the image; None where there is none or none is
        known.
    group
        What must stay on one side of every split; the participant unless the table says
        otherwise.
    split
        "train", "validation" or "test" where the table has the column; otherwise None.
    site
        Scanner or hospital, for the fingerprint; None where the table has no such column.
    colour
        What becomes of pictures in colour.
    columns
        Text of each further column of the table that has a value, by the name of the column in
        small letters: age, sex, site, scanner.
    """

    name: str
    participant: str
    images: Mapping[str, Path]
    label: str | None = None
    mask: Path | None = None
    group: str = ""
    split: str | None = None
    site: str | None = None
    colour: Colour = "luminance"
    columns: Mapping[str, str] = field(default_factory=dict)

    def absolute(self) -> "Scan":
        """Return the same with absolute paths, for a process that has another folder."""
        images = {channel: path.absolute() for channel, path in self.images.items()}
        return replace(
            self, images=images, mask=None if self.mask is None else self.mask.absolute()
        )


@dataclass(frozen=True)
class Cohort:
    """A table of scans.

    Attributes
    ----------
    source
        The folder or table that was opened.
    channels
        Names of the images of each scan, ("image",) for one.
    scans
        In the order of the table.
    problems
        Rows of the table that were refused, and are not among ``scans``, or are worth a warning.
    """

    source: Path
    channels: tuple[str, ...]
    scans: tuple[Scan, ...] = field(default=())
    problems: tuple[Problem, ...] = field(default=())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted; a class index is a place in this tuple."""
        return tuple(sorted({scan.label for scan in self.scans if scan.label is not None}))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the further columns of the table, sorted."""
        return tuple(sorted({name for scan in self.scans for name in scan.columns}))

    def shown(self, path: Path) -> str:
        """Show a path as the table gives it: relative to the cohort's folder where it is inside."""
        folder = self.source if self.source.is_dir() else self.source.parent
        return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
