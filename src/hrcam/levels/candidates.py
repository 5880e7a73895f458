"""Candidates for levels: tensors that may be feature maps, and whether they are."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

import torch
from torch import nn

from hrcam.levels.dry_run import RecordedMap, has_gradient
from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.layout import Layout, distortion, possible_layouts
from hrcam.levels.measure import GradientRun
from hrcam.model.call import Images

# Strides are alike if they differ by no more than those of the maps that could be followed.
_ALIKE = 1.5
_UNMEASURED = "its positions could not be followed, and without gradients not be measured"
# The likeliest layouts of a shape that are tried.
_MOST_LAYOUTS = 3


@dataclass(frozen=True)
class Candidate:
    """A tensor that may be a feature map.

    Attributes
    ----------
    record
        The tensor of the dry run.
    layout
        How it becomes a feature map (B, C, *S).
    feature_grid
        Where its positions lie; None for half-pixel centres, or if that is not known yet.
    certain
        Whether its positions were followed from the image, so that nothing needs measuring.
    """

    record: RecordedMap
    layout: Layout
    feature_grid: FeatureGrid | None = None
    certain: bool = False

    @property
    def channels(self) -> int:
        """Number of feature channels, C."""
        return self.layout.map_shape(self.record.shape)[1]

    @property
    def size(self) -> tuple[int, ...]:
        """The spatial size, *S."""
        return self.layout.map_shape(self.record.shape)[2:]


def candidates_in(seen: Sequence[RecordedMap], grid: tuple[int, ...]) -> list[Candidate]:
    """Return the tensors of a dry run that may be feature maps of an image of a given size."""
    followed = {index: one for index, record in enumerate(seen) if (one := _followed(record, grid))}
    sizes = {one.size for one in followed.values()}
    anisotropy = _ALIKE * max((distortion(size, grid) for size in sizes), default=1.0)
    found = []
    for index, record in enumerate(seen):
        if index in followed:
            found.append(followed[index])
            continue
        layouts = possible_layouts(record.shape, grid, anisotropy, sorted(sizes))
        found += [Candidate(record, layout) for layout in layouts[:_MOST_LAYOUTS]]
    return [one for one in found if prod(one.size) > 1]


def _followed(record: RecordedMap, grid: tuple[int, ...]) -> Candidate | None:
    traced, rank = record.traced, len(record.shape)
    if traced is None or rank != len(grid) + 2:
        return None
    axes = [axis % rank for axis in traced.axes]
    channels = [axis for axis in range(1, rank) if axis not in axes]
    if len(channels) != 1:
        return None
    against = [step < 0 for step in traced.feature_grid.step]
    layout = Layout((0, channels[0], *axes)).along_image(range(len(axes)), against)
    sizes = layout.map_shape(record.shape)[2:]
    return Candidate(record, layout, traced.feature_grid.ascending(sizes), traced.certain)


class Verifier:
    """Tells feature maps from other tensors, and measures what could not be followed.

    Parameters
    ----------
    model, images, output
        As for ``find_levels``.
    image
        The tensor that is mapped.
    candidates
        All that may be verified.
    """

    def __init__(
        self,
        model: nn.Module,
        images: Images,
        image: torch.Tensor,
        candidates: Sequence[Candidate],
        output: str | int | None,
    ) -> None:
        self._model, self._images, self._image, self._output = model, images, image, output
        self._uncertain = [one.record for one in candidates if not one.certain]
        self._run: GradientRun | None = None
        self._refused: dict[tuple[int, ...], str] = {}

    @property
    def refused(self) -> list[str]:
        """What was refused, each with the reason; one of each shape."""
        return list(self._refused.values())

    def has_influence(self, candidate: Candidate) -> bool:
        """Whether the output depends on the positions of a map, not on prefix tokens alone."""
        run = None if candidate.certain else self._gradients()
        if run is None or run.has_influence(candidate.record, candidate.layout):
            return True
        self._refuse(candidate, "the output does not depend on its positions")
        return False

    def verify(self, candidate: Candidate) -> Candidate | None:
        """Return the candidate with its layout and positions as they are; None if it is no map."""
        if candidate.certain:
            return candidate
        run = self._gradients()
        found = None if run is None else run.measure(candidate.record, candidate.layout)
        if found is None and candidate.feature_grid is not None:
            return candidate  # followed, through operations that kept the size
        if found is None or found.layout is None:
            self._refuse(candidate, _UNMEASURED if found is None else found.reason)
            return None
        return _agreed(candidate, found.layout, found.feature_grid)

    def _refuse(self, candidate: Candidate, reason: str) -> None:
        shape = candidate.record.shape
        self._refused[shape] = f"{candidate.record.module} {shape}: {reason}"

    def _gradients(self) -> GradientRun | None:
        if self._run is None and has_gradient(self._model):
            self._run = GradientRun(
                self._model, self._images, self._image, self._uncertain, self._output
            )
        return self._run


def _agreed(candidate: Candidate, layout: Layout, feature_grid: FeatureGrid | None) -> Candidate:
    """Return a candidate as measured; where both agree, its positions as they were followed."""
    if layout == candidate.layout and candidate.feature_grid is not None:
        return replace(candidate, certain=True)
    return replace(candidate, layout=layout, feature_grid=feature_grid, certain=True)
