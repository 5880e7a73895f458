"""Maps made without any model: what a method has to beat before its maps say anything."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from scipy.ndimage import gaussian_gradient_magnitude

from hrcam.evaluation.draws import generator_of
from hrcam.evaluation.methods import check_batch

# Standard deviation of the centre blob, as a share of each axis.
_BLOB = 0.25
# Standard deviation, in voxels, of the Gaussian whose derivatives find the edges.
_EDGE_SCALE = 1.0


def random_maps(images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    """Draw each voxel from [0, 1), independently; another draw for every image.

    Parameters
    ----------
    images
        Shape (B, C, *spatial).
    seed
        Same seed and same image, same map, whatever else is in the batch.

    Returns
    -------
    Tensor of shape (B, *spatial), on the images' device.

    Raises
    ------
    InputError
        If the images or the seed cannot be used.
    """
    check_batch(images)
    maps = [
        generator_of(image, seed).random(tuple(image.shape[1:]), dtype=np.float32)
        for image in images
    ]
    return torch.from_numpy(np.stack(maps)).to(images.device)


def centre_blob(images: torch.Tensor) -> torch.Tensor:
    """Put a Gaussian at the centre of the image, a quarter of each axis wide.

    Parameters
    ----------
    images
        Shape (B, C, *spatial); only their shape counts.

    Returns
    -------
    Tensor of shape (B, *spatial), at most 1, on the images' device.

    Raises
    ------
    InputError
        If the images cannot be used.
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
    """Measure how steep the image is: the gradient's magnitude at a scale of one voxel.

    Of several channels, the root of the sum of squares.

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
        If the images cannot be used.
    """
    check_batch(images)
    channels = images.detach().float().cpu().numpy()
    maps = np.empty_like(channels)
    for index in np.ndindex(channels.shape[:2]):
        maps[index] = gaussian_gradient_magnitude(channels[index], _EDGE_SCALE, mode="nearest")
    return torch.from_numpy(np.linalg.norm(maps, axis=1)).to(images.device)


def brightness(images: torch.Tensor) -> torch.Tensor:
    """Return the image itself, the mean over its channels.

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
        If the images cannot be used.
    """
    check_batch(images)
    return images.detach().float().mean(1)


def darkness(images: torch.Tensor) -> torch.Tensor:
    """Return the image upside down: the negative of `brightness`, and as it in all else."""
    return -brightness(images)


BOUNDS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "random": random_maps,
    "centre": centre_blob,
    "edges": edges,
    "brightness": brightness,
    "darkness": darkness,
}
"""Every map without a model, by its name in tables."""
