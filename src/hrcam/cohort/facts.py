"""What is known of a scan once it has been decoded, without keeping its voxels."""

from dataclasses import dataclass

from hrcam.cohort.image import Format


@dataclass(frozen=True)
class ScanFacts:
    """Facts of one accepted scan; from these a preparation is chosen and duplicates are found.

    Attributes
    ----------
    name
        Name of the scan.
    format
        What it was read from.
    shape
        Spatial shape, two or three axes.
    spacing
        In mm along each axis; 1 for pictures and arrays.
    orientation
        Closest anatomical direction of each axis, as "RAS", or "AS" for a sagittal slice; "" for
        pictures and arrays.
    foreground
        Size of the box around what is not background, in voxels along each axis.
    percentiles
        0.5, 25, 50, 75 and 99.5 % of the intensities of each channel, shape (C, 5).
    voxel_hash
        SHA-256 of shape and voxels of all channels: the same for the same image in any format
        that keeps its values.
    border
        Mean, standard deviation and 5, 50 and 95 % of the intensities of the outermost sixteenth on
        each side, shape (C, 5 × 2 × axes).
    encoding
        How the file stores its values, as in `hrcam.cohort.image.Image`; several of a scan whose
        channels differ in it.
    """

    name: str
    format: Format
    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    orientation: str
    foreground: tuple[int, ...]
    percentiles: tuple[tuple[float, ...], ...]
    voxel_hash: str
    border: tuple[tuple[float, ...], ...] = ()
    encoding: str = ""
