"""Refine a map by edge-aware smoothing: positions that look alike in the image are averaged.

A CNN responds to a lesion somewhere inside it; the border is in the image. So each value becomes a
weighted mean of its neighbours, several times over, with more weight on neighbours of similar
intensity. Nothing is learnt here, and no class is known.

The affinities are those of pixel-adaptive mask refinement (Araslanov and Roth, CVPR 2020, eq. 4),
along the axes only, so that 2D and 3D are one code path.
"""

from collections.abc import Iterator, Sequence

import torch

# Neighbours are at distances of 1, 2, 4, ... voxels, up to the reach.
_ROUNDS = 6
# In local standard deviations of the intensity: larger differences give little weight.
_TOLERANCE = 0.6
# In standard deviations of the image: added to the local standard deviation, so none is zero.
_FLAT = 1e-3
# As a share of the largest value of a channel: smaller standard deviations are rounding errors.
_CONSTANT = 1e-6
# Each voxel takes some fifty numbers at a time: about half a GiB in all.
_VOXELS_ON_GPU = 2**21


def refine(
    maps: torch.Tensor, images: torch.Tensor, reach: Sequence[int] | torch.Tensor
) -> torch.Tensor:
    """Smooth maps within the edges of their images.

    Each value is a weighted mean of the map's values, so none exceeds their range, and a constant
    map does not change.

    Parameters
    ----------
    maps
        Shape (B, J, *spatial): J maps of each image.
    images
        Shape (B, C, *spatial); their scale does not matter.
    reach
        For each image, the largest distance of a neighbour, in voxels. Below 1 its maps do not
        change.

    Returns
    -------
    Tensor of shape (B, J, *spatial).
    """
    by_reach: dict[int, list[int]] = {}
    for index, one in enumerate(map(int, reach)):
        by_reach.setdefault(one, []).append(index)
    refined = maps.clone()
    size = _batch_size(maps)
    for one, indices in by_reach.items():
        for start in range(0, len(indices), size):
            here = torch.tensor(indices[start : start + size], device=maps.device)
            refined[here] = _refine(maps[here], images[here].to(maps), one)
    return refined


def _batch_size(maps: torch.Tensor) -> int:
    """Return how many images to refine together.

    On a GPU, batches amortise kernel launches. On a CPU, a single image fits the cache best.
    """
    most = _VOXELS_ON_GPU if maps.is_cuda else 1
    return max(1, most // maps[0, 0].numel())


def _refine(maps: torch.Tensor, images: torch.Tensor, reach: int) -> torch.Tensor:
    distances = [2**power for power in range(max(reach, 0).bit_length())]
    if not distances:
        return maps
    affinities = _affinities(images, distances)
    return _average(maps.transpose(0, 1).contiguous(), affinities, distances).transpose(0, 1)


def _average(
    values: torch.Tensor, affinities: torch.Tensor, distances: Sequence[int]
) -> torch.Tensor:
    """Replace values by the weighted mean of their neighbours, `_ROUNDS` times."""
    for _ in range(_ROUNDS):
        mean = torch.zeros_like(values)
        for affinity, neighbour in zip(
            affinities, _neighbours(values, affinities.ndim - 2, distances), strict=True
        ):
            mean.addcmul_(affinity, neighbour)
        values = mean
    return values


def _neighbours(
    values: torch.Tensor, axes: int, distances: Sequence[int]
) -> Iterator[torch.Tensor]:
    """Yield the values shifted by each distance, both ways along each of the last ``axes`` axes.

    Values at the border are repeated beyond it.
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


def _affinities(images: torch.Tensor, distances: Sequence[int]) -> torch.Tensor:
    """Return the weight of each neighbour at each position, (N, B, *spatial); they sum to 1."""
    values = images.flatten(2)
    std = values.std(2, correction=0)
    # A constant channel has no scale.
    constant = std <= _CONSTANT * values.abs().amax(2)
    std = torch.where(constant, torch.ones_like(std), std)
    images = images / std.reshape(*std.shape, *[1] * (images.ndim - 2))
    distance: torch.Tensor | None = None
    for channel in images.unbind(1):
        neighbours = torch.stack(list(_neighbours(channel, channel.ndim - 1, distances)))
        # One neighbour at a time, since up to 18 volumes are held already.
        mean, variance = neighbours.mean(0), torch.zeros_like(channel)
        for neighbour in neighbours:
            difference = neighbour - mean
            variance.addcmul_(difference, difference, value=1 / len(neighbours))
        local = variance.sqrt_() + _FLAT
        away = neighbours.sub_(channel).abs_().div_(_TOLERANCE * local)
        distance = away if distance is None else distance.add_(away)
    if distance is None:
        raise ValueError("an image without channels")
    weights = distance.sub_(distance.amin(0)).div_(-images.shape[1]).exp_()
    return weights.div_(weights.sum(0))
