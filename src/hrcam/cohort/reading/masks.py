"""Read where the pathology is, in the grid of the image."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import Image, ImageSpace
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.grids import grid_difference, in_space
from hrcam.cohort.reading.reader import decode

_MOST_LABELS = 32
_WHOLE = 0.05  # of a voxel: axes that match up to this are the same axes


def read_mask(path: Path, like: Image | ImageSpace) -> NDArray[np.bool_]:
    """Read a mask in the grid of its image: True where the value is not 0.

    A mask that covers the very same voxels with its axes in another order or direction, as
    programs that convert DICOM to NIfTI write them, is turned; nothing is resampled.

    Parameters
    ----------
    path : Path
        The mask: 0 and one or a few labels. It may be empty.
    like : Image
        The image that it belongs to.

    Returns
    -------
    array of bool, shape ``like.shape``
        The mask.

    Raises
    ------
    ImageError
        If it cannot be read, is in another grid, or holds measurements rather than labels.
    """
    mask = _turned(decode(path), like)
    difference = grid_difference(like, mask)
    if difference:
        raise ImageError(
            Reason.MASK_MISMATCH,
            f"image and mask differ: {difference}",
            "resample the mask onto the image, with nearest neighbours, in the image's format",
        )
    values = mask.voxels[0]
    _check_labels(values)
    return np.asarray(values != 0)


def _turned(mask: Image, like: Image | ImageSpace) -> Image:
    """Put the axes of a mask in the order and direction of the image, if that is all it takes."""
    if not (in_space(mask) and in_space(like)):
        return mask
    stored = (*mask.stored_shape, 1)[:3]
    steps = np.linalg.solve(like.affine, mask.affine)[:3, :3]  # axes of the mask in the image's
    turn = np.rint(steps)
    if np.abs(steps - turn).max() > _WHOLE or not np.allclose(np.abs(turn @ turn.T), np.eye(3)):
        return mask
    order = np.abs(turn).argmax(1)  # of the image's axes: which axis of the mask
    backwards = turn[np.arange(3), order] < 0
    voxels = mask.voxels[0].reshape(stored).transpose(order)
    shape = voxels.shape
    # Index i of the image's axis is index (n - 1 - i) of the mask's axis where it runs backwards.
    permuted = np.eye(4)[[*order, 3]].T
    flip = np.diag([*np.where(backwards, -1.0, 1.0), 1.0])
    flip[:3, 3] = np.where(backwards, np.array(shape) - 1.0, 0.0)
    voxels = voxels[tuple(slice(None, None, -1 if back else 1) for back in backwards)]
    spatial = tuple(size for size in shape if size > 1)
    return replace(
        mask,
        voxels=voxels.reshape(1, *spatial),
        affine=mask.affine @ permuted @ flip,
        stored_shape=shape,
    )


def _check_labels(values: NDArray[np.float32]) -> None:
    labels = np.unique(values)
    if len(labels) == 1 or (len(labels) == 2 and labels[0] == 0):
        return
    whole = bool(np.all(labels == np.rint(labels)))
    if labels[0] == 0 and whole and len(labels) <= _MOST_LABELS:
        return
    raise ImageError(
        Reason.NOT_A_MASK,
        f"the mask has {len(labels)} different values from {labels[0]:g} to {labels[-1]:g}, not 0 "
        f"and at most {_MOST_LABELS - 1} labels",
        "threshold it and save 0 and 1, without lossy compression (PNG or NIfTI, not JPEG)",
    )
