"""Spread a map along the image: places that look alike exchange values, edges keep them apart.

A CNN sees a lesion best somewhere inside it. Its border is in the image, and it is the image that
says how far the map goes: each place becomes a weighted mean of its neighbours, with more weight
on those of its own intensity, some rounds over. Nothing is learnt here and no class is known.
The affinities are those of pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020, eq. 4),
along the axes only, so that two and three dimensions are one code path.
"""

from collections.abc import Iterator, Sequence

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
        Shape (B, J, *spatial): J maps of each image.
    images
        Shape (B, C, *spatial); their scale does not count.
    reach
        For each image, how far apart two places are at most that exchange values directly, in
        voxels. Less than 1 leaves its map as it is.

    Returns
    -------
    Tensor of shape (B, J, *spatial).
    """
    return torch.stack(
        [
            _diffuse_one(one, image.to(maps), int(far))
            for one, image, far in zip(maps, images, reach, strict=True)
        ]
    )


def _diffuse_one(values: torch.Tensor, image: torch.Tensor, reach: int) -> torch.Tensor:
    distances = [2**power for power in range(max(reach, 0).bit_length())]
    if not distances:
        return values
    shares = _shares(image, distances)
    return torch.cat([_rounds(one[None], shares, distances) for one in values])


def _rounds(values: torch.Tensor, shares: torch.Tensor, distances: Sequence[int]) -> torch.Tensor:
    for _ in range(_ROUNDS):
        spread = torch.zeros_like(values)
        for share, neighbour in zip(shares, _neighbours(values, distances), strict=True):
            spread.addcmul_(share, neighbour)
        values = spread
    return values


def _neighbours(values: torch.Tensor, distances: Sequence[int]) -> Iterator[torch.Tensor]:
    """Yield everybody's neighbours, one kind after the other; at the border the last repeats.

    The first axis is none of space.
    """
    for axis, size in enumerate(values.shape[1:], 1):
        first, last = values.narrow(axis, 0, 1), values.narrow(axis, size - 1, 1)
        border = list(values.shape)
        border[axis] = distances[-1]
        padded = torch.cat([first.expand(border), values, last.expand(border)], axis)
        for distance in distances:
            for step in (distance, -distance):
                yield padded.narrow(axis, distances[-1] + step, size)


def _shares(image: torch.Tensor, distances: Sequence[int]) -> torch.Tensor:
    """Return how much each neighbour counts at each place, (N, *spatial); they sum to 1."""
    spread = image.flatten(1).std(1, correction=0).clamp_min(torch.finfo(image.dtype).tiny)
    image = image / spread.reshape(-1, *[1] * (image.ndim - 1))
    unlike: torch.Tensor | None = None
    for channel in image:
        around = torch.cat(list(_neighbours(channel[None], distances)))
        # Fifteen times as fast as std(0).
        local = (around - around.mean(0)).square_().mean(0).sqrt_() + _FLAT
        away = around.sub_(channel).abs_().div_(_TOLERANCE * local)
        unlike = away if unlike is None else unlike.add_(away)
    if unlike is None:
        raise ValueError("an image without channels")
    return torch.softmax(unlike.div_(-len(image)), dim=0)
