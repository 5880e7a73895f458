"""Which axes of a stored array are axes of space."""

from hrcam.cohort.problems import ImageError, Reason


def spatial_shape(stored: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape without its axes of length 1.

    Parameters
    ----------
    stored : tuple of int
        Two or three axes, as in the file.

    Returns
    -------
    tuple of int
        Two axes for a slice, three for a volume.

    Raises
    ------
    ImageError
        If there is no voxel, or less than two axes are longer than 1.
    """
    check_not_empty(stored)
    shape = tuple(size for size in stored if size > 1)
    if len(shape) < 2:
        raise ImageError(
            Reason.UNSUPPORTED,
            f"the image is a point or a line: its shape is {stored}",
            "give a slice or a volume",
        )
    return shape


def check_not_empty(stored: tuple[int, ...]) -> None:
    """Refuse a shape that holds no voxel.

    Raises
    ------
    ImageError
        If an axis has no length.
    """
    if min(stored, default=0) < 1:
        raise ImageError(
            Reason.EMPTY, f"the image has no voxels: its shape is {stored}", "export it again"
        )
