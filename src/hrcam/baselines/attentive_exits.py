"""A fusion of levels that is learnt: a classifier at each level, and attention over them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hrcam.baselines.interface import (
    ALL_LEVELS,
    Baseline,
    Classes,
    check_finite,
    explained_classes,
    finite_logits,
    upsample_level,
)
from hrcam.errors import NotFittedError
from hrcam.head.fit import fit_head
from hrcam.head.linear_models import Array, softmax_solution, splits_of
from hrcam.levels import Levels, find_levels
from hrcam.levels.capture import capture
from hrcam.levels.operators import contract, pool
from hrcam.maps.pooled_features import pool_images
from hrcam.model.call import Images
from hrcam.model.inputs import check_groups, check_labels

_STEPS = 100


class AttentiveExits(Baseline):
    """Class maps of an exit at each level, weighted by what each exit tells of the class.

    It follows AME-CAM (Chen et al., MICCAI 2023) in its parts, for a network that is trained
    already: each level l has an exit, a linear classifier of its pooled features, with the class
    map M_lc = Σ_k w_lck (f_lk − μ_lk) / σ_lk + b_lc. The map of class c is Σ_l a_cl U_l M_lc, where
    the attention a_c, positive and of sum 1 over the exits, is learnt with the labels.

    It is not AME-CAM: there the network is trained together with the exits, and the attention is a
    small network that gives each position weights of its own, trained by contrasting foreground
    and background without labels.

    Parameters
    ----------
    model, levels, output, image
        As in ``Baseline``.
    """

    name: ClassVar[str] = "attentive exits (after AME-CAM)"
    fuses_levels = True

    _fitted: "_Exits | None" = None

    def fit(
        self,
        loader: Iterable[Any],
        groups: Sequence[Any] | npt.NDArray[Any] | None = None,
        seed: int = 0,
    ) -> Self:
        """Learn the exits and the attention from images and labels, in one pass.

        The attention is learnt on images that the exits were not learnt on: on their own, exits
        with many channels seem better than they are.

        Parameters
        ----------
        loader
            Yields (images, labels), as for ``HRCAM.fit``.
        groups
            One name per image, in the loader's order, usually the subject. Images of one group
            stay in one fold.
        seed
            Of the folds.

        Raises
        ------
        FitError
            If nothing can be learnt from the data: no batch, one class, a class without images.
        InputError
            If a batch or the groups cannot be used.
        LevelError
            If the model has no feature maps.
        """
        levels, data = pool_images(
            self.model,
            loader,
            "labels",
            self._output,
            lambda images: find_levels(self.model, images, self._names, self._output, self._image),
        )
        codes = None if groups is None else check_groups(groups, len(data.pooled))
        check_labels(data.outcome, codes)
        labels = data.outcome.astype(np.int64)
        splits = splits_of(labels, codes, seed)
        weights, bias, held_out = [], [], []
        ends = np.cumsum([level.channels for level in levels])
        for pooled in np.split(data.pooled, ends[:-1], axis=1):
            head = fit_head(pooled, data.outcome, "labels", groups=codes, seed=seed)
            scaled = head.weights / head.scale
            weights.append(scaled)
            bias.append(head.bias - scaled @ head.mean)
            z = (pooled - head.mean) / head.scale
            logits = np.full((len(labels), len(head.bias)), np.nan)
            for train, test in splits:
                slope, intercept = softmax_solution(z[train], labels[train], head.penalty, None)
                logits[test] = z[test] @ slope.T + intercept
            held_out.append(logits - logits.mean(1, keepdims=True))
        known = np.isfinite(held_out[0]).all(1)  # groups may leave a fold out
        exits = np.stack(held_out, axis=2)[known]
        attention = learn_attention(exits, labels[known])
        self._levels = levels
        self._fitted = _Exits(tuple(weights), tuple(bias), attention)
        return self

    @property
    def attention(self) -> Array:
        """The weight of each exit in the map of each class, shape (K, L); rows sum to 1."""
        return self._exits.attention

    @property
    def levels(self) -> Levels:
        """The levels that have an exit, from the coarsest to the finest.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        """
        _ = self._exits
        return super().levels

    @property
    def _exits(self) -> "_Exits":
        if self._fitted is None:
            raise NotFittedError("there are no exits yet: call fit with images and labels first")
        return self._fitted

    def _find_levels(self, images: Images) -> Levels:  # noqa: ARG002 - they are those of ``fit``
        return self.levels

    def _maps(self, images: Images, classes: Classes) -> dict[str, torch.Tensor]:
        exits, grid = self._exits, self.levels.grid_of(images)
        _, maps = capture(self.model, images, self.levels, partial(_class_maps, exits))
        for level, of_level in zip(self.levels, maps, strict=True):
            check_finite(level, of_level)
        attention = torch.from_numpy(exits.attention).to(maps[0])
        logits = torch.stack([pool(one, grid) for one in maps], 2)
        chosen = explained_classes(finite_logits((logits * attention).sum(2), None), classes)
        rows = torch.arange(len(chosen), device=chosen.device)
        total = maps[0].new_zeros(len(chosen), *grid)
        for index, (level, of_level) in enumerate(zip(self.levels, maps, strict=True)):
            own = upsample_level(of_level[rows, chosen, None], level, grid)[:, 0]
            total += own * attention[chosen, index].view(-1, *[1] * len(grid))
        return {ALL_LEVELS: total}


@dataclass(frozen=True)
class _Exits:
    """What ``fit`` has learnt.

    Attributes
    ----------
    weights, bias
        Of each exit, for the features as they are: shapes (K, C_l) and (K,).
    attention
        Shape (K, L).
    """

    weights: tuple[Array, ...]
    bias: tuple[Array, ...]
    attention: Array


def _class_maps(exits: _Exits, index: int, feature_map: torch.Tensor) -> torch.Tensor:
    """Return M_l for all classes, shape (B, K, *S_l)."""
    single = torch.empty(
        0,
        dtype=torch.promote_types(feature_map.dtype, torch.float32),
        device=feature_map.device,
    )
    weights, bias = (torch.from_numpy(one[index]).to(single) for one in (exits.weights, exits.bias))
    return contract(feature_map, weights, bias)


def learn_attention(logits: Array, labels: npt.NDArray[np.int64]) -> Array:
    """Return the attention whose weighted logits tell the labels best.

    Minimises the cross-entropy of s_c = Σ_l a_cl logit_lc, with a_c = softmax(θ_c) over the exits,
    from equal weights.

    Parameters
    ----------
    logits
        Of each exit for images that it was not learnt on, shape (N, K, L).
    labels
        Shape (N,).

    Returns
    -------
    a, shape (K, L); rows sum to 1.
    """
    with torch.inference_mode(False), torch.enable_grad():
        exits, truth = torch.from_numpy(logits), torch.from_numpy(labels)
        theta = torch.zeros(logits.shape[1:], dtype=exits.dtype, requires_grad=True)
        optimizer = torch.optim.LBFGS([theta], max_iter=_STEPS, line_search_fn="strong_wolfe")

        def loss() -> torch.Tensor:
            optimizer.zero_grad()
            fused = (exits * theta.softmax(1)).sum(2)
            value = nn.functional.cross_entropy(fused, truth)
            value.backward()  # type: ignore[no-untyped-call]
            return value

        optimizer.step(loss)  # type: ignore[no-untyped-call]
        attention: Array = theta.detach().softmax(1).numpy()
    return attention
