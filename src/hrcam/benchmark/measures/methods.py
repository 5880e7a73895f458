"""The maps of all methods in a benchmark, for the same images and classes."""

from collections.abc import Callable, Collection, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.measures.attributions import attribution_maps
from hrcam.benchmark.method_maps import method_maps
from hrcam.benchmark.refined_maps import refined_maps
from hrcam.benchmark.unit_runs import FoldExplainers
from hrcam.benchmark.variant import Variant
from hrcam.evaluation.model_free_maps import MODEL_FREE_MAPS

GridMaps = dict[Variant, NDArray[np.float32]]
"""For each method the maps of a batch, (B, *spatial)."""

Method = Callable[[FoldExplainers, torch.Tensor, torch.Tensor], GridMaps]
"""From the explainers of a fold, images (B, C, *spatial) and classes (B,) to maps."""

_BATCH = {2: 16, 3: 2}


def class_activation_maps(
    explainers: FoldExplainers, images: torch.Tensor, classes: torch.Tensor
) -> GridMaps:
    """Map with HR-CAM, also as published, with every rival, and without a model."""
    images, classes = images.to(explainers.device), classes.to(explainers.device)
    maps = {
        variant: np.stack(stack)
        for variant, stack in method_maps(
            explainers.logits, explainers.labels, [(images, classes)]
        ).items()
    }
    bounds = {Variant(name): bound(images) for name, bound in MODEL_FREE_MAPS.items()}
    bounds |= refined_maps(bounds, images, positive=False)
    return maps | _arrays(bounds)


def voxel_attributions(
    explainers: FoldExplainers, images: torch.Tensor, classes: torch.Tensor
) -> GridMaps:
    """Map with the methods that need many passes through the CNN per image."""
    images, classes = images.to(explainers.device), classes.to(explainers.device)
    found = attribution_maps(explainers.logits.model, images, classes)
    return _arrays(found | refined_maps(found, images))


def grid_maps(
    method: Method, explainers: FoldExplainers, images: FoldImages, wanted: Collection[Variant]
) -> GridMaps:
    """Map all images of a fold in batches, and return the wanted variants."""
    kept = [
        {variant: batch for variant, batch in maps.items() if variant in wanted}
        for _, maps in _batches(method, explainers, images)
    ]
    return {variant: np.concatenate([maps[variant] for maps in kept]) for variant in kept[0]}


def native_maps(
    method: Method, explainers: FoldExplainers, images: FoldImages
) -> Iterator[tuple[int, GridMaps]]:
    """Yield the index of each image, and its maps in its scan's own voxels, (*spatial)."""
    for start, maps in _batches(method, explainers, images):
        variants = list(maps)
        stacked = np.stack([maps[variant] for variant in variants], axis=1)
        for place, stack in enumerate(stacked, start):
            native = images.prepared[place].to_native(stack)
            yield place, dict(zip(variants, native, strict=True))


def _batches(
    method: Method, explainers: FoldExplainers, images: FoldImages
) -> Iterator[tuple[int, GridMaps]]:
    size = _BATCH[images.prepared[0].voxels.ndim - 1]
    for start in range(0, len(images.scans), size):
        stop = start + size
        yield start, method(explainers, images.voxels(start, stop), images.classes[start:stop])


def _arrays(maps: Mapping[Variant, torch.Tensor]) -> GridMaps:
    return {variant: batch.float().cpu().numpy() for variant, batch in maps.items()}
