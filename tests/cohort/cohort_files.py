"""Small cohorts on disk, and scans without files, for the tests of cohorts."""

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np
from PIL import Image as Pillow

from hrcam.cohort.scan import Scan


def write_png(path: Path, seed: int = 0, shape: tuple[int, int] = (12, 10)) -> Path:
    """Write a picture of noise: the same for the same seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)
    Pillow.fromarray(pixels).save(path)
    return path


def write_nifti(
    path: Path,
    seed: int = 0,
    shape: Sequence[int] = (6, 7, 8),
    spacing: float = 1.0,
    voxels: np.ndarray | None = None,
) -> Path:
    """Write a volume of noise: the same for the same seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if voxels is None:
        voxels = np.random.default_rng(seed).normal(100, 20, shape)
    affine = np.diag([spacing, spacing, spacing, 1.0])
    nib.save(nib.Nifti1Image(voxels.astype(np.float32), affine), path)
    return path


def write_table(path: Path, rows: Sequence[Mapping[str, str]], separator: str = "\t") -> Path:
    """Write a table with the columns of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(rows[0])
    lines = [columns, *([row[column] for column in columns] for row in rows)]
    path.write_text("".join(separator.join(line) + "\n" for line in lines), encoding="utf-8")
    return path


class ImagesWithoutHandle(dict[str, Path]):
    """Images of a scan that fail as files do where too many are open."""

    def __getitem__(self, name: str) -> Path:
        raise OSError(errno.EMFILE, "Too many open files")


def scan(name: str, label: str | None = "a", participant: str = "", **other: str) -> Scan:
    """Make a scan whose files nobody opens."""
    participant = participant or name
    return Scan(
        name=name,
        participant=participant,
        images={"image": Path(f"{name}.png")},
        label=label,
        **{"group": participant, **other},
    )
