"""Save and load what ``fit`` learnt: arrays as safetensors, everything else as JSON."""

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load, save
from torch import nn

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import encode_json
from hrcam.errors import LoadError
from hrcam.head.covariance import ALL_OTHERS, LogitCovariance
from hrcam.head.feature_distribution import FeatureDistribution
from hrcam.head.fit import Head, Target
from hrcam.levels import Level, Levels
from hrcam.levels.geometry import FeatureGrid
from hrcam.levels.layout import Layout
from hrcam.maps.deviation import ReferenceMoments
from hrcam.maps.sensitivity import Sensitivity
from hrcam.model.wrappers import unwrapped

FORMAT = 9
_NUMBERS, _DESCRIPTION = "head.safetensors", "hrcam.json"
_ARRAYS = ("mean", "scale", "weights", "bias")
_MOMENTS = ("references", "mean", "std")
_DISTRIBUTION = ("mean", "scale", "directions", "variances", "remaining")
# A model is recognised in each of these types, if its weights are those of ``fit`` rounded to it.
_TYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# Counters of batch norms, which no output depends on in evaluation mode.
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Fitted:
    """What ``fit`` learns.

    Attributes
    ----------
    levels
        Where feature maps are read, from the coarsest to the finest.
    head
        The linear head over the pooled features of all levels.
    moments
        What the level pattern maps are on reference images.
    sensitivity
        How much the decision depends on each position.
    features
        Where the pooled features of the images lie; None if an earlier version of hrcam saved it.
    """

    levels: Levels
    head: Head
    moments: ReferenceMoments
    sensitivity: Sensitivity
    features: FeatureDistribution | None


def save_fitted(path: Path, model: nn.Module, fitted: Fitted, settings: dict[str, Any]) -> None:
    """Write ``head.safetensors`` and ``hrcam.json`` into a folder, each of them atomically."""
    head = fitted.head
    arrays = {name: np.ascontiguousarray(getattr(head, name)) for name in _ARRAYS}
    arrays["sensitivity"] = np.ascontiguousarray(fitted.sensitivity.weights)
    arrays["sensitivity_offsets"] = fitted.sensitivity.offsets
    description = {
        "format": FORMAT,
        "versions": {
            "hrcam": version("hrcam"),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
        "target": head.target,
        "penalty": head.penalty,
        "fidelity": head.fidelity if np.isfinite(head.fidelity) else None,
        "levels": [asdict(level) for level in fitted.levels],
        "image": fitted.levels.image,
        "settings": settings,
        "model": _checksums(model),
    }
    arrays |= {
        f"level_{name}": np.ascontiguousarray(getattr(fitted.moments, name)) for name in _MOMENTS
    }
    if fitted.features is not None:
        arrays |= {
            f"distribution_{name}": np.array(getattr(fitted.features, name), order="C")
            for name in _DISTRIBUTION
        }
    covariances = (head.covariance, *head.resampled)
    arrays |= {
        f"covariance_{name}": np.stack([getattr(one, name) for one in covariances])
        for name in ("features", "logits")
    }
    numbers = save(arrays)
    # Each file is written atomically; the digest tells whether the two belong together.
    description["sha256"] = hashlib.sha256(numbers).hexdigest()
    write_atomically(path / _NUMBERS, numbers)
    write_atomically(path / _DESCRIPTION, encode_json(description))


def load_fitted(path: Path, model: nn.Module) -> tuple[Fitted, dict[str, Any]]:
    """Read a folder written by ``save_fitted``.

    Raises
    ------
    LoadError
        If the folder is missing or damaged, of another format, or saved with another model.
    """
    try:
        description = json.loads((path / _DESCRIPTION).read_text(encoding="utf-8"))
        numbers = (path / _NUMBERS).read_bytes()
        arrays = load(numbers)
    except (OSError, ValueError, SafetensorError) as error:
        raise LoadError(
            f"{path} is no saved explainer, or it is damaged ({error}): it must be a folder with "
            f"{_DESCRIPTION} and {_NUMBERS}, as written by save"
        ) from error
    if not isinstance(description, dict):
        raise LoadError(f"{path} is damaged: {_DESCRIPTION} is not what save writes")
    if description.get("format") != FORMAT:
        raise LoadError(
            f"{path} has format {description.get('format')}, and hrcam {version('hrcam')} reads "
            f"format {FORMAT}: fit again, or use the version that wrote it"
        )
    if description.get("sha256") != hashlib.sha256(numbers).hexdigest():
        raise LoadError(
            f"{path} is damaged: {_NUMBERS} is not the file that {_DESCRIPTION} was written with"
        )
    try:
        levels = Levels(map(_level, description["levels"]), description["image"])
        moments = ReferenceMoments(**{name: arrays[f"level_{name}"] for name in _MOMENTS})
        covariance, *resampled = (
            LogitCovariance(*pair)
            for pair in zip(arrays["covariance_features"], arrays["covariance_logits"], strict=True)
        )
        sensitivity = Sensitivity(arrays["sensitivity"], arrays["sensitivity_offsets"])
        fidelity = description["fidelity"]
        head = Head(
            **{name: arrays[name] for name in _ARRAYS},
            covariance=covariance,
            resampled=tuple(resampled),
            target=description["target"],
            penalty=description["penalty"],
            fidelity=float("nan") if fidelity is None else fidelity,
        )
        fitted = Fitted(levels, head, moments, sensitivity, _distribution(arrays))
        saved_model, settings = dict(description["model"]), dict(description["settings"])
    except (KeyError, TypeError, ValueError) as error:
        raise LoadError(f"{path} is damaged: {error!r} in {_DESCRIPTION}") from error
    if head.target not in get_args(Target) or not _consistent(fitted):
        raise LoadError(f"{path} is damaged: the shapes of its arrays do not match")
    _check_model(model, saved_model, levels)
    return fitted, settings


def _distribution(arrays: dict[str, Any]) -> FeatureDistribution | None:
    if "distribution_mean" not in arrays:
        return None
    return FeatureDistribution(**{name: arrays[f"distribution_{name}"] for name in _DISTRIBUTION})


def _level(saved: dict[str, Any]) -> Level:
    feature_grid = saved["feature_grid"]
    if feature_grid is not None:
        feature_grid = FeatureGrid(tuple(feature_grid["first"]), tuple(feature_grid["step"]))
        if not len(feature_grid.first) == len(feature_grid.step) == len(saved["size"]):
            raise ValueError("the feature grid of a level has another number of axes than its size")
    layout = saved["layout"]
    if layout is not None:
        axes = {name: tuple(layout[name]) for name in ("axes", "flipped", "grid")}
        layout = Layout(**{**layout, **axes})
        if sorted(layout.axes) != list(range(2 + len(saved["size"]))):
            raise ValueError("the layout of a level has another number of axes than its size")
    sizes = {name: tuple(saved[name]) for name in ("size", "stride")}
    return Level(**{**saved, **sizes, "feature_grid": feature_grid, "layout": layout})


def _consistent(fitted: Fitted) -> bool:
    """Whether the shapes of all loaded arrays are consistent."""
    head, moments, levels = fitted.head, fitted.moments, fitted.levels
    classes, features = len(head.bias), sum(level.channels for level in levels)
    covariances = (head.covariance, *head.resampled)
    matrices = (head.weights, *(one.features for one in covariances))
    return (
        all(array.shape == (classes, features) for array in matrices)
        and all(one.logits.shape == (classes, classes) for one in covariances)
        and all(array.shape == (features,) for array in (head.mean, head.scale))
        and fitted.sensitivity.weights.shape == (len(levels), features)
        and fitted.sensitivity.offsets.shape == (len(levels),)
        and moments.references.shape == (classes,)
        and bool(np.all((moments.references >= ALL_OTHERS) & (moments.references < classes)))
        and all(array.shape == (classes, len(levels)) for array in (moments.mean, moments.std))
        and (fitted.features is None or fitted.features.is_consistent(features))
    )


def _checksums(model: nn.Module) -> dict[str, dict[str, Any]]:
    """Return shape and SHA-256 of each parameter and buffer.

    Floating-point tensors have one checksum for each of `_TYPES`, other tensors one.
    """
    return {
        name: {
            "shape": list(tensor.shape),
            "sha256": {
                _type(kind): _checksum(tensor, kind)
                for kind in (_TYPES if tensor.is_floating_point() else [tensor.dtype])
            },
        }
        for name, tensor in _tensors(model).items()
    }


def _tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: tensor
        for name, tensor in unwrapped(model).state_dict().items()
        if isinstance(tensor, torch.Tensor) and name.rpartition(".")[2] != _COUNTER
    }


def _checksum(tensor: torch.Tensor, kind: torch.dtype) -> str:
    # On the CPU, since not every device has every type.
    flat = tensor.detach().cpu().to(kind).contiguous().flatten()
    return hashlib.sha256(flat.view(torch.uint8).numpy().data).hexdigest()


def _type(kind: torch.dtype) -> str:
    return str(kind).removeprefix("torch.")


def _check_model(model: nn.Module, saved: dict[str, Any], levels: Levels) -> None:
    modules = dict(unwrapped(model).named_modules(remove_duplicate=False))
    missing = [level.module for level in levels if level.module not in modules]
    if missing:
        raise LoadError(
            f"the model has no module {missing[0]!r}, which the explainer reads "
            f"({len(missing)} of {len(levels)} levels are missing): load it for the "
            "architecture that it was fitted on"
        )
    found = _tensors(model)
    differing = []
    for name in sorted(saved.keys() | found.keys()):
        there, here = saved.get(name), found.get(name)
        if there is None or here is None:
            differing.append(f"{name} is {'new' if there is None else 'missing'}")
        elif there["shape"] != list(here.shape):
            differing.append(f"{name} has the shape {list(here.shape)}, not {there['shape']}")
        elif _type(here.dtype) not in there["sha256"]:
            types = ", ".join(there["sha256"])
            differing.append(f"{name} has the type {_type(here.dtype)}, not {types}")
        elif there["sha256"][_type(here.dtype)] != _checksum(here, here.dtype):
            differing.append(f"{name} has other values")
    if differing:
        more = f" (and {len(differing) - 3} more)" if len(differing) > 3 else ""
        raise LoadError(
            f"the model differs from the one that the explainer was fitted on: "
            f"{'; '.join(differing[:3])}{more}; load the model's own weights first, or fit again"
        )
