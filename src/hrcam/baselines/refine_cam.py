"""RefineCAM: the product of all levels' maps."""

from collections.abc import Sequence
from typing import ClassVar

import torch

from hrcam.baselines.gradient_methods import GradCAMPlusPlusWithEpsilon
from hrcam.baselines.interface import ALL_LEVELS
from hrcam.baselines.level_fusion import normalise
from hrcam.levels import Level


class RefineCAM(GradCAMPlusPlusWithEpsilon):
    """RefineCAM (Domeniconi et al., 2026, arXiv 2605.14641): Π_l U_l s(M_l), one map of all levels.

    s is min-max normalisation, U_l upsamples to the image, and M_l is the map of Grad-CAM++ as in
    pytorch-grad-cam, where the authors released the method. The product is normalised again.

    Parameters
    ----------
    model, levels, output, image
        As in ``Baseline``.
    """

    name: ClassVar[str] = "RefineCAM"
    fuses_levels = True

    @classmethod
    def on_grid(
        cls, maps: Sequence[torch.Tensor], levels: Sequence[Level], grid: tuple[int, ...]
    ) -> dict[str, torch.Tensor]:
        """Return the product as the only map; as in ``LevelMethod.on_grid``."""
        normalised = super().on_grid([normalise(one) for one in maps], levels, grid)
        product = torch.stack(list(normalised.values())).prod(0)
        return {ALL_LEVELS: normalise(product)}
