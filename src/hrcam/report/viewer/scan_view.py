"""Read the image and maps of a scan on the grid of the page."""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError
from numpy.typing import NDArray

from hrcam.artifacts.map_file import Scaling, read_map
from hrcam.artifacts.scan_record import KINDS, MapInput, ScanRecord
from hrcam.cohort.image import Colour, Image
from hrcam.errors import InputError
from hrcam.report.viewer.page_grid import PageGrid

# Percentiles of the values that are kept, and of those that are black and white at first.
_RANGE, _WINDOW = (0.05, 99.95), (0.5, 99.5)
_LABELS = Scaling(1, 0, 0)


@dataclass(frozen=True, eq=False)
class ScanView:
    """Image and maps on the grid of the page.

    Attributes
    ----------
    grid
        Transform from the file to the page.
    image
        Its values in 255 steps of `range`, shape (x, y, z); None if it could not be read.
    maps
        Each kind of map, shape (x, y, z).
    range
        Values of the image that are 0 and 255.
    window
        Values of the image that are black and white at first.
    note
        Why there is no image, or which of several channels is shown.
    findings, truth, box
        Masks, shape (x, y, z): regions that were found in the map, the true ones, and what the
        network saw; None where there are none, or where it saw all.
    """

    grid: PageGrid
    image: NDArray[np.uint8] | None
    maps: Mapping[str, NDArray[np.float32]]
    range: tuple[float, float] = (0.0, 255.0)
    window: tuple[float, float] = (0.0, 255.0)
    note: str = ""
    findings: NDArray[np.bool_] | None = None
    truth: NDArray[np.bool_] | None = None
    box: NDArray[np.bool_] | None = None

    def reduced(self) -> "ScanView":
        """Average blocks of voxels, for the maps of a group."""
        image = self.image
        if image is not None:
            low, high = self.range
            values = self.grid.reduce(low + (high - low) / 255 * image.astype(np.float32))
            image = _steps(values, self.window)
        maps = {kind: self.grid.reduce(values) for kind, values in self.maps.items()}
        return ScanView(replace(self.grid, reduced=True), image, maps, note=self.note)


def read_grid(record: ScanRecord) -> PageGrid:
    """Read the grid of a scan's maps without their values.

    Raises
    ------
    InputError
        If the map is missing or damaged.
    """
    path = record.maps["pattern"]
    if path.suffix in (".npy", ".png"):
        return PageGrid(record.shape)
    try:
        header: Any = nibabel.load(path)
        return PageGrid(tuple(header.shape), np.asarray(header.affine, np.float64))
    except (OSError, ImageFileError, ValueError) as error:
        raise InputError(f"{path.name} cannot be read: {error}") from error


def read_view(
    record: ScanRecord, kinds: Collection[str] = KINDS, other: ScanView | None = None
) -> ScanView:
    """Read a scan's maps of some kinds and, if available, its image.

    Parameters
    ----------
    record, kinds
        Which maps.
    other
        View of the same scan's maps for another class, whose image is not read again.

    Raises
    ------
    InputError
        If a map is missing, damaged, not finite, or of another grid than the first.
    """
    grid = read_grid(record)
    maps = {
        kind: _on_grid(grid, read_map(path, record.scaling.get(kind)), path)
        for kind, path in record.maps.items()
        if kind in kinds
    }
    findings = None
    if (labels := record.files.get("findings")) is not None:
        findings = _on_grid(grid, read_map(labels, _LABELS), labels) > 0
    if other is not None:
        return replace(other, grid=grid, maps=maps, findings=findings)
    image, note = _read_image(record)
    view = ScanView(grid, None, maps, note=note, findings=findings, box=_box(record, grid))
    if image is None:
        return view
    try:
        # The mean over colour channels.
        values = grid.of(image.voxels.mean(0))
    except InputError as error:
        note = f"The image {record.sources[0].name} {error}; the maps are shown alone."
        return replace(view, note=note)
    low, dark, bright, high = map(float, np.percentile(values, sorted(_RANGE + _WINDOW)))
    truth, of_mask = _read_truth(record, image, grid)
    return replace(
        view,
        image=_steps(values, (low, high)),
        range=(low, high),
        window=(dark, bright),
        note=" ".join(filter(None, (note, of_mask))),
        truth=truth,
    )


def _on_grid(grid: PageGrid, values: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
    try:
        return grid.of(values)
    except InputError as error:
        raise InputError(f"{path.name} {error}") from error


def _box(record: ScanRecord, grid: PageGrid) -> NDArray[np.bool_] | None:
    """Return what the network saw; None if it saw all, or the record does not tell."""
    if record.input is None or record.input.share == 1:
        return None
    inside = np.zeros(record.shape, np.float32)
    inside[tuple(slice(start, end) for start, end in record.input.box)] = 1
    return grid.of(inside) > 0


def _read_image(record: ScanRecord) -> tuple[Image | None, str]:
    from hrcam.cohort.problems import ImageError
    from hrcam.cohort.reading import read_image

    if not record.sources:
        return None, "The image is not known; the maps are shown alone."
    path = record.sources[0]
    if not _was_mapped(record):
        note = "is not the file that was mapped, or was changed since"
        return None, f"The image {path.name} {note}; the maps are shown alone."
    try:
        image = read_image(path)
    except ImageError as error:
        # Without the folder: pages are shared, and paths may be confidential.
        return None, f"The image {path.name} cannot be shown ({error.message}); maps alone."
    channels = len(record.sources)
    return image, f"Shown is {path.name}, the first of {channels} channels." if channels > 1 else ""


def _read_truth(
    record: ScanRecord, image: Image, grid: PageGrid
) -> tuple[NDArray[np.bool_] | None, str]:
    """Read the true mask; a record from elsewhere must not open other files."""
    from hrcam.cohort.problems import ImageError
    from hrcam.cohort.reading import read_mask

    path = record.mask
    if path is None:
        return None, ""
    now = MapInput.of(record.scan, record.participant, None, (), {}, path)
    if now.mask_modified != record.mask_modified:
        return None, f"The mask {path.name} is gone or was changed since; it is not shown."
    try:
        mask = read_mask(path, image)
    except ImageError as error:
        return None, f"The mask {path.name} cannot be shown ({error.message})."
    return grid.of(mask.astype(np.float32)) > 0, ""


def _was_mapped(record: ScanRecord) -> bool:
    """Tell if the sources still are the scan: a record from elsewhere must not open other files.

    Copied files may have new times: then their voxels count.
    """
    from hrcam.cohort.problems import ImageError
    from hrcam.cohort.reading import read_scan
    from hrcam.cohort.scan import Scan
    from hrcam.cohort.voxel_hash import voxel_hash

    now = MapInput.of(record.scan, record.participant, None, record.sources, {})
    if now.source_modified is None or record.made_from(now):
        return True  # a file that is not there is for the reader to name
    if now.source_bytes != record.source_bytes:
        return False
    images = {str(number): path for number, path in enumerate(record.sources)}
    colours: tuple[Colour, ...] = ("luminance", "rgb")
    for colour in colours:
        scan = Scan(record.scan, record.participant, images, colour=colour)
        with suppress(ImageError):
            if voxel_hash(read_scan(scan)) == record.voxel_hash:
                return True
    return False


def _steps(values: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.uint8]:
    """Round values to 255 steps between two limits."""
    low, high = limits
    scaled = (values - low) / max(high - low, float(np.finfo(np.float32).tiny))
    steps: NDArray[np.uint8] = (scaled.clip(0, 1) * 255).round().astype(np.uint8)
    return steps
