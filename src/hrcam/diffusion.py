"""Spread a map along the image: places that look alike exchange values, edges keep them apart.

A CNN sees a lesion best somewhere inside it. Its border is in the image, and it is the image that
says how far the map goes: each place becomes a weighted mean of its neighbours, with more weight
on those of its own intensity, some rounds over. Nothing is learnt here and no class is known.
The affinities are those of pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020, eq. 4),
along the axes only, so that two and three dimensions are one code path.
"""

from collections.abc import Sequence

import torch

# Neighbours are as far away as 1, 2, 4, ... voxels, up to the reach.
_ROUNDS = 6
# Of the local standard deviation of the intensity: differences beyond it hardly exchange.
_TOLERANCE = 0.6
# Of the standard deviation of the image: local variation below it is none.
_FLAT = 1e-3


def diffuse(
    maps: torch.Tensor, images: torch.Tensor, reach: Sequence[int] | torch.Tensor
) -> torch.Tensor:
    """Return the maps spread along the images.

    Each value is a weighted mean of the map's values, so none is beyond its extremes, and a
    constant map stays what it is.

    Parameters
    ----------
    maps
        Shape (B, *spatial).
    images
        Shape (B, C, *spatial); their scale does not count.
    reach
        For each image, how far apart two places are at most that exchange values directly, in
        voxels. Less than 1 leaves its map as it is.

    Returns
    -------
    Tensor of shape (B, *spatial).
    """
    return torch.stack(
        [
            _diffuse_one(one, image.to(maps), int(far))
            for one, image, far in zip(maps, images, reach, strict=True)
        ]
    )


def _diffuse_one(values: torch.Tensor, image: torch.Tensor, reach: int) -> torch.Tensor:
    neighbours = _neighbours(tuple(values.shape), reach, values.device)
    if not neighbours:
        return values
    shares = _shares(image, neighbours)
    for _ in range(_ROUNDS):
        spread = torch.zeros_like(values)
        for share, (axis, places) in zip(shares, neighbours, strict=True):
            spread.addcmul_(share, values.index_select(axis, places))
        values = spread
    return values


def _neighbours(
    shape: tuple[int, ...], reach: int, device: torch.device
) -> list[tuple[int, torch.Tensor]]:
    """Return, for each kind of neighbour, its axis and everybody's neighbour along it."""
    distances = [2**power for power in range(max(reach, 0).bit_length())]
    return [
        (axis, (torch.arange(size, device=device) + step).clamp_(0, size - 1))
        for distance in distances
        for axis, size in enumerate(shape)
        for step in (distance, -distance)
    ]


def _shares(image: torch.Tensor, neighbours: list[tuple[int, torch.Tensor]]) -> torch.Tensor:
    """Return how much each neighbour counts at each place, (N, *spatial); they sum to 1."""
    spread = image.flatten(1).std(1, correction=0).clamp_min(torch.finfo(image.dtype).tiny)
    image = image / spread.reshape(-1, *[1] * (image.ndim - 1))
    distances = image.new_zeros(len(neighbours), *image.shape[1:])
    for channel in image:
        around = torch.stack([channel.index_select(axis, places) for axis, places in neighbours])
        local = around.std(0, correction=0) + _FLAT
        distances += (around - channel).abs_().div_(_TOLERANCE * local)
    return torch.softmax(-distances / len(image), dim=0)
