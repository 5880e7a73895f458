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
# Of the largest value of a channel: standard deviations below it are rounding.
_CONSTANT = 1e-6
# For each some fifty numbers are held at once: about half a GiB.
_VOXELS_ON_GPU = 2**21


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
    groups: dict[int, list[int]] = {}
    for place, far in enumerate(map(int, reach)):
        groups.setdefault(far, []).append(place)
    spread = maps.clone()
    size = _at_once(maps)
    for far, places in groups.items():
        for start in range(0, len(places), size):
            here = torch.tensor(places[start : start + size], device=maps.device)
            spread[here] = _diffuse(maps[here], images[here].to(maps), far)
    return spread


def _at_once(maps: torch.Tensor) -> int:
    """Return how many images are spread together.

    A GPU waits for its orders where there are few numbers in each; a CPU's cache holds one image.
    """
    most = _VOXELS_ON_GPU if maps.is_cuda else 1
    return max(1, most // maps[0, 0].numel())


def _diffuse(maps: torch.Tensor, images: torch.Tensor, reach: int) -> torch.Tensor:
    distances = [2**power for power in range(max(reach, 0).bit_length())]
    if not distances:
        return maps
    shares = _shares(images, distances)
    return _rounds(maps.transpose(0, 1).contiguous(), shares, distances).transpose(0, 1)


def _rounds(values: torch.Tensor, shares: torch.Tensor, distances: Sequence[int]) -> torch.Tensor:
    for _ in range(_ROUNDS):
        spread = torch.zeros_like(values)
        for share, neighbour in zip(
            shares, _neighbours(values, shares.ndim - 2, distances), strict=True
        ):
            spread.addcmul_(share, neighbour)
        values = spread
    return values


def _neighbours(
    values: torch.Tensor, axes: int, distances: Sequence[int]
) -> Iterator[torch.Tensor]:
    """Yield everybody's neighbours, one kind after the other; at the border the last repeats.

    The last axes are those of space.
    """
    for axis in range(values.ndim - axes, values.ndim):
        size = values.shape[axis]
        first, last = values.narrow(axis, 0, 1), values.narrow(axis, size - 1, 1)
        border = list(values.shape)
        border[axis] = distances[-1]
        padded = torch.cat([first.expand(border), values, last.expand(border)], axis)
        for distance in distances:
            for step in (distance, -distance):
                yield padded.narrow(axis, distances[-1] + step, size)


def _shares(images: torch.Tensor, distances: Sequence[int]) -> torch.Tensor:
    """Return how much each neighbour counts at each place, (N, B, *spatial); they sum to 1."""
    values = images.flatten(2)
    spread = values.std(2, correction=0)
    # A constant channel has no scale.
    constant = spread <= _CONSTANT * values.abs().amax(2)
    spread = torch.where(constant, torch.ones_like(spread), spread)
    images = images / spread.reshape(*spread.shape, *[1] * (images.ndim - 2))
    unlike: torch.Tensor | None = None
    for channel in images.unbind(1):
        around = torch.stack(list(_neighbours(channel, channel.ndim - 1, distances)))
        # One neighbour after the other, as there are up to a dozen and a half volumes of them.
        mean, local = around.mean(0), torch.zeros_like(channel)
        for neighbour in around:
            difference = neighbour - mean
            local.addcmul_(difference, difference, value=1 / len(around))
        local = local.sqrt_() + _FLAT
        away = around.sub_(channel).abs_().div_(_TOLERANCE * local)
        unlike = away if unlike is None else unlike.add_(away)
    if unlike is None:
        raise ValueError("an image without channels")
    weights = unlike.sub_(unlike.amin(0)).div_(-images.shape[1]).exp_()
    return weights.div_(weights.sum(0))
