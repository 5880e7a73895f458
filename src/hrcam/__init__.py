"""HR-CAM: class activation maps at the resolution of the image, for any CNN, in 2D and 3D."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hrcam.explainer import HRCAM
    from hrcam.explanation import Explanation
    from hrcam.levels import Level, Levels, find_levels
    from hrcam.maps.refine import refine

__version__ = "0.1.0"

# Imported on first use, so that the command line starts without loading PyTorch.
_HOMES = {
    "HRCAM": "hrcam.explainer",
    "Explanation": "hrcam.explanation",
    "Level": "hrcam.levels",
    "Levels": "hrcam.levels",
    "find_levels": "hrcam.levels",
    "refine": "hrcam.maps.refine",
}

__all__ = ["HRCAM", "Explanation", "Level", "Levels", "__version__", "find_levels", "refine"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hrcam' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
