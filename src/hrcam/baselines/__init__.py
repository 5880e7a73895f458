"""Other CAM methods, to compare HR-CAM with: one interface, on the same levels.

Every method returns one map per level at the size of the image (``by_level``), or one map in all
(``explain``): that of a single level, or several levels fused by the mean, the maximum or the
product of their min-max normalised maps. RefineCAM and FullGrad fuse the levels themselves,
and have one map.

Where pytorch-grad-cam computes a method otherwise than its paper, both are here, and the name tells
which is which: "Grad-CAM++" is the paper's, "Grad-CAM++ (pytorch-grad-cam)" the library's.

Two more are not in `METHODS`, whose methods explain one network and learn nothing: `AttentiveExits`
learns how to fuse the levels from labels, and `SliceBySlice` runs any method with a 2D network on
the slices of a volume.

``interface`` defines `Baseline`, ``level_fusion`` fuses levels; the methods are in ``cam``,
``gradient_methods``, ``finer_cam`` and ``refine_cam`` (on ``gradient``), ``full_grad``, ``score``,
``eigen``, ``attentive_exits`` and ``slices``. To add a method, subclass `LevelMethod` or
`GradientMethod`, and list it in `METHODS`.

Examples
--------
>>> from hrcam.baselines import METHODS, LayerCAM
>>> LayerCAM(model, levels=["layer3"]).explain(images)            # doctest: +SKIP
>>> METHODS["Grad-CAM"](model).explain(images, fuse="mean")       # doctest: +SKIP
"""

from hrcam.baselines.attentive_exits import AttentiveExits
from hrcam.baselines.cam import CAM
from hrcam.baselines.eigen import CentredEigenCAM, EigenCAM
from hrcam.baselines.finer_cam import FinerCAM
from hrcam.baselines.full_grad import FullGrad
from hrcam.baselines.gradient import GradientMethod, gradient_maps
from hrcam.baselines.gradient_methods import (
    GradCAM,
    GradCAMPlusPlus,
    GradCAMPlusPlusWithEpsilon,
    HiResCAM,
    LayerCAM,
    XGradCAM,
)
from hrcam.baselines.interface import ALL_LEVELS, Baseline, LevelMethod
from hrcam.baselines.level_fusion import Fusion, fuse_levels, normalise
from hrcam.baselines.refine_cam import RefineCAM
from hrcam.baselines.score import ScoreCAM, SoftmaxScoreCAM
from hrcam.baselines.slices import SliceBySlice

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
        GradCAMPlusPlusWithEpsilon,
        SoftmaxScoreCAM,
        CentredEigenCAM,
        FinerCAM,
        RefineCAM,
        FullGrad,
    )
}
"""Every method, by its name in the literature."""

__all__ = [
    "ALL_LEVELS",
    "CAM",
    "METHODS",
    "AttentiveExits",
    "Baseline",
    "CentredEigenCAM",
    "EigenCAM",
    "FinerCAM",
    "FullGrad",
    "Fusion",
    "GradCAM",
    "GradCAMPlusPlus",
    "GradCAMPlusPlusWithEpsilon",
    "GradientMethod",
    "HiResCAM",
    "LayerCAM",
    "LevelMethod",
    "RefineCAM",
    "ScoreCAM",
    "SliceBySlice",
    "SoftmaxScoreCAM",
    "XGradCAM",
    "fuse_levels",
    "gradient_maps",
    "normalise",
]
