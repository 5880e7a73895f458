"""How the grid of one image differs from that of another."""

from hrcam.cohort.image import PLACED, Image, ImageSpace
from hrcam.cohort.reading.geometry import corner_distance, same_place


def in_space(image: Image | ImageSpace) -> bool:
    """Tell formats that place their voxels in the patient from pictures and arrays."""
    return image.format in PLACED


def grid_difference(first: Image | ImageSpace, second: Image | ImageSpace) -> str | None:
    """Say how two grids differ.

    Parameters
    ----------
    first, second : Image or ImageSpace
        The images.

    Returns
    -------
    str or None
        In words with numbers; None if they share shape and place.
    """
    if in_space(first) != in_space(second):
        return (
            f"{first.format} and {second.format}: only one of them says where its voxels are, so "
            "their axes cannot be matched"
        )
    if first.shape != second.shape:
        return f"shapes {first.shape} and {second.shape}"
    if not in_space(first):
        return None
    three = (*first.stored_shape, 1)[:3]
    if three != (*second.stored_shape, 1)[:3]:
        return f"shapes {first.stored_shape} and {second.stored_shape}"
    if not same_place(first.affine, second.affine, three):
        apart = corner_distance(first.affine, second.affine, three)
        return f"one shape {first.shape}, but up to {apart:.4g} mm apart in space"
    return None
