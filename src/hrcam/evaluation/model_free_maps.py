"""Maps that use no model: lower bounds that a useful method exceeds."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.ndimage import gaussian_gradient_magnitude

from hrcam.evaluation.checked_inputs import check_batch
from hrcam.evaluation.random_numbers import generator_of

# Standard deviation of the centre blob, as a share of each axis.
_BLOB = 0.25
# Standard deviation, in voxels, of the Gaussian whose derivatives find the edges.
_EDGE_SCALE = 1.0


def random_maps(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Draw each voxel independently from [0, 1), differently for every image.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).
    seed
        Random seed; a map depends on it and on the image, but not on the batch.

    Returns
    -------
    Tensor of shape (B, *spatial), on the images' device.

    Raises
    ------
    InputError
        If the images or the seed are invalid.
    """
    check_batch(images)
    maps = [
        generator_of(image, seed).random(tuple(image.shape[1:]), dtype=np.float32)
        for image in images
    ]
    return torch.from_numpy(np.stack(maps)).to(images.device)


def centre_blob(images: torch.Tensor) -> torch.Tensor:
    """Return a Gaussian at the centre of the image, a quarter of each axis wide.

    Parameters
    ----------
    images
        Shape (B, C, *spatial); only the shape is used.

    Returns
    -------
    Tensor of shape (B, *spatial), at most 1, on the images' device.

    Raises
    ------
    InputError
        If the images are invalid.
    """
    check_batch(images)
    grid = tuple(images.shape[2:])
    squares = torch.zeros(grid, device=images.device)
    for axis, size in enumerate(grid):
        position = torch.arange(size, device=images.device) - (size - 1) / 2
        shape = [size if other == axis else 1 for other in range(len(grid))]
        squares = squares + ((position / (_BLOB * size)) ** 2).reshape(shape)
    return torch.exp(-squares / 2).expand(images.shape[0], *grid).clone()


def edges(images: torch.Tensor) -> torch.Tensor:
    """Compute the gradient magnitude of the image at a scale of one voxel.

    Channels are combined by the root of the sum of squares.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).

    Returns
    -------
    Tensor of shape (B, *spatial), not negative, on the images' device.

    Raises
    ------
    InputError
        If the images are invalid.
    """
    check_batch(images)
    channels = images.detach().float().cpu().numpy()
    maps = np.empty_like(channels)
    for index in np.ndindex(channels.shape[:2]):
        maps[index] = gaussian_gradient_magnitude(channels[index], _EDGE_SCALE, mode="nearest")
    return torch.from_numpy(np.linalg.norm(maps, axis=1)).to(images.device)


def brightness(images: torch.Tensor) -> torch.Tensor:
    """Return the image, averaged over channels.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).

    Returns
    -------
    Tensor of shape (B, *spatial).

    Raises
    ------
    InputError
        If the images are invalid.
    """
    check_batch(images)
    return images.detach().float().mean(1)


def darkness(images: torch.Tensor) -> torch.Tensor:
    """Return the negative of `brightness`."""
    return -brightness(images)


MODEL_FREE_MAPS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "random": random_maps,
    "centre": centre_blob,
    "edges": edges,
    "brightness": brightness,
    "darkness": darkness,
}
"""All model-free maps, by their names in tables."""
