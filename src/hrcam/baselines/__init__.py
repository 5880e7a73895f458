"""Other CAM methods, to compare HR-CAM with: one interface, on the same levels.

Every method returns one map per level at the size of the image (``by_level``), or one map in all
(``explain``): that of a single level, or several levels fused by the mean, the maximum or the
product of their min-max normalised maps.

``interface`` defines `Baseline`, ``level_fusion`` fuses levels; the methods are in ``cam``,
``gradient_methods`` (on ``gradient``), ``score`` and ``eigen``. To add a method, subclass
`Baseline` or `GradientMethod`, and list it in `METHODS`.

Examples
--------
>>> from hrcam.baselines import METHODS, LayerCAM
>>> LayerCAM(model, levels=["layer3"]).explain(images)            # doctest: +SKIP
>>> METHODS["Grad-CAM"](model).explain(images, fuse="mean")       # doctest: +SKIP
"""

from hrcam.baselines.cam import CAM
from hrcam.baselines.eigen import EigenCAM
from hrcam.baselines.gradient import GradientMethod, gradient_maps
from hrcam.baselines.gradient_methods import GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM, XGradCAM
from hrcam.baselines.interface import Baseline
from hrcam.baselines.level_fusion import Fusion, fuse_levels, normalise
from hrcam.baselines.score import ScoreCAM

METHODS: dict[str, type[Baseline]] = {
    method.name: method
    for method in (
        CAM,
        GradCAM,
        GradCAMPlusPlus,
        LayerCAM,
        HiResCAM,
        XGradCAM,
        ScoreCAM,
        EigenCAM,
    )
}
"""Every method, by its name in the literature."""

__all__ = [
    "CAM",
    "METHODS",
    "Baseline",
    "EigenCAM",
    "Fusion",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradientMethod",
    "HiResCAM",
    "LayerCAM",
    "ScoreCAM",
    "XGradCAM",
    "fuse_levels",
    "gradient_maps",
    "normalise",
]
