"""HRCAM: fit a linear head over every resolution of a CNN, and explain images with it."""

import logging
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hrcam.errors import HRCAMWarning, InputError, NotFittedError
from hrcam.explanation import Explanation, Logits
from hrcam.head.covariance import ALL_OTHERS
from hrcam.head.feature_distribution import feature_distribution
from hrcam.head.fit import Head, Target, fit_head
from hrcam.head.quality import warn_of_poor_fit
from hrcam.levels import Levels, find_levels
from hrcam.maps.assembly import evidence_map, pattern_maps
from hrcam.maps.deviation import ReferenceMoments
from hrcam.maps.deviation_fit import learn_moments
from hrcam.maps.forward import LevelReading, read_levels
from hrcam.maps.pooled_features import pool_images
from hrcam.maps.repeated_loader import RepeatedLoader
from hrcam.maps.sensitivity_fit import learn_sensitivity
from hrcam.maps.training_passes import (
    CLASSES_AT_ONCE,
    TrainingPasses,
    classes_of,
    members_of,
)
from hrcam.maps.weights import EVIDENCE, MapWeights
from hrcam.model.call import Images
from hrcam.model.inputs import (
    check_classes,
    check_groups,
    check_images,
    check_labels,
    number_of_refits,
    whole_number,
)
from hrcam.storage import Fitted, load_fitted, save_fitted

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Learnt:
    """What ``fit`` or ``load`` leaves; replaced as a whole, since threads may share it."""

    fitted: Fitted
    weights: MapWeights
    settings: dict[str, Any]


class HRCAM:
    """Class activation maps at the resolution of the image, for a trained CNN.

    HR-CAM (Shinde et al., MICCAI 2019) pools a feature map of every resolution, learns one
    linear head over all of them, and sums the upsampled maps with that head's weights.

    Several threads may use one explainer, or several explainers of one model, at once. Forward
    passes that other threads make meanwhile are not read and do not change, but a model in training
    is in evaluation mode, for every thread, while a call runs: do not train it meanwhile.

    Parameters
    ----------
    model
        Any module from images to logits. It is left exactly as it was by every call.
    levels
        ``"auto"`` for the last feature map of each resolution, or names of modules.
    output
        Key or index of the logits, where the model returns several things.
    image
        Key or index of the image to map, where the model takes several; None for the first.

    Examples
    --------
    >>> hr = HRCAM(model).fit(loader, target="logits")        # doctest: +SKIP
    >>> explanation = hr.explain(images)                      # doctest: +SKIP
    >>> explanation.pattern                                   # doctest: +SKIP
    """

    def __init__(
        self,
        model: nn.Module,
        levels: Literal["auto"] | Sequence[str] = "auto",
        output: str | int | None = None,
        image: str | int | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"the model is an {type(model).__name__}, whose operations belong to no module: "
                "pass the nn.Module that was exported"
                if type(model).__name__ == "ExportedProgram"
                else f"the model is a {type(model).__name__}, not a torch.nn.Module: build the "
                "network and load its weights first"
            )
        self.model = model
        self._names = None if levels == "auto" else levels
        self._output = output
        self._image = image
        self._learnt: _Learnt | None = None

    @property
    def levels(self) -> Levels:
        """The levels that are read, from the coarsest to the finest."""
        return self._known.levels

    @property
    def head(self) -> Head:
        """The linear head over all levels."""
        return self._known.head

    @property
    def references(self) -> tuple[int | None, ...]:
        """For each class, the one it is compared with in the pattern map; None for all others."""
        references = self._known.moments.references.tolist()
        return tuple(None if one == ALL_OTHERS else one for one in references)

    @property
    def reference(self) -> int | None:
        """The reference class that was passed to ``fit``."""
        reference: int | None = self._state.settings["reference"]
        return reference

    @property
    def fidelity(self) -> float:
        """On held-out folds: R² for ``target="logits"``, accuracy for ``target="labels"``."""
        return self.head.fidelity

    def fit(
        self,
        loader: Iterable[Any],
        target: Target = "labels",
        *,
        groups: Sequence[Any] | npt.NDArray[Any] | None = None,
        bootstrap: int = 0,
        reference: int | None = None,
        centre: bool = True,
        seed: int = 0,
    ) -> Self:
        """Learn the head and the pattern maps.

        The model runs once on all images, for the head, and then on some that are drawn: 256 for
        the moments of the pattern maps, 128 with gradients, and 32.

        Parameters
        ----------
        loader
            Yields (images, labels), or images alone for ``target="logits"``: a DataLoader, or
            any iterable that starts anew each time. Each pass must yield the same images in the
            same order: no shuffling, no random augmentation from pass to pass. Batches are moved
            to the model's device.
        target
            ``"labels"``: the head is a classifier of its own, next to the CNN's (as in the
            paper). ``"logits"``: the head approximates the CNN's logits, needs no labels, and
            explains the deployed model.
        groups
            One name per image, in the loader's order, usually the subject. Images of one group
            stay in one fold and are resampled together.
        bootstrap
            Number of refits on resampled groups (images without groups); gives
            ``Explanation.std``.
        reference
            With more than two classes, the class that the others are compared with in the
            pattern maps, such as the controls. It is itself compared with all others. None
            compares each class with all others.
        centre
            Centre weights and bias over the classes; a softmax does not change. Pass False for
            outputs that do not compete, such as multiple labels or regression values.
        seed
            Of the folds, the resampling, and the images and positions that are drawn.

        Raises
        ------
        FitError
            If no head can be learnt from the data: no batch, one class, a class without images.
        InputError
            If images, labels, groups or options cannot be used, or if a later pass over the
            loader yields other images than the first.
        LevelError
            If the model has no feature maps.

        Warns
        -----
        HRCAMWarning
            If the head predicts poorly, if the CNN never predicts a class, or if the model has
            no gradients.
        """
        if target not in get_args(Target):
            raise InputError(f"target is {target!r}: it must be 'labels' or 'logits'")
        refits, first_seed = number_of_refits(bootstrap), whole_number(seed)
        if first_seed is None or first_seed < 0:
            raise InputError(f"seed is {seed!r}: it must be a whole number, 0 or more")
        compared_with = None if reference is None else whole_number(reference)
        if reference is not None and compared_with is None:
            raise InputError(f"the reference is {reference!r}: it must be the index of a class")
        if reference is not None and not centre:
            raise InputError(
                "a reference needs classes that compete: leave centre at True, or leave it out"
            )
        loader = RepeatedLoader(loader, self.model, groups is not None)
        levels, data = pool_images(
            self.model,
            loader,
            target,
            self._output,
            lambda images: find_levels(self.model, images, self._names, self._output, self._image),
        )
        codes = None if groups is None else check_groups(groups, len(data.pooled))
        if target == "labels":
            check_labels(data.outcome, codes)
        head = fit_head(
            data.pooled,
            data.outcome,
            target,
            centre=centre,
            groups=codes,
            bootstrap=refits,
            seed=first_seed,
        )
        passes = TrainingPasses(
            self.model,
            loader,
            target,
            self._output,
            levels,
            classes_of(data.outcome, target, centre),
            members_of(data.outcome, target, centre),
        )
        generator = np.random.default_rng(first_seed)
        moments = learn_moments(passes, head, centre, compared_with, generator)
        sensitivity = learn_sensitivity(passes, head, moments.references, centre, generator)
        settings = {
            "seed": first_seed,
            "bootstrap": refits,
            "centre": centre,
            "reference": compared_with,
        }
        features = feature_distribution(data.pooled)
        self._adopt(Fitted(levels, head, moments, sensitivity, features), settings)
        warn_of_poor_fit(head, data.outcome, compete=centre)
        logger.info(
            "fitted on %d images, %d levels, %d features; fidelity %.3f",
            len(data.pooled), len(levels), data.pooled.shape[1], head.fidelity,
        )  # fmt: skip
        return self

    def explain(
        self, images: Images, classes: int | Sequence[int] | torch.Tensor | None = None
    ) -> Explanation:
        """Explain a batch in one forward pass.

        Parameters
        ----------
        images
            A batch that the model takes: a tensor (B, C, *spatial), or a tuple or mapping with
            one.
        classes
            One class for all images, or one per image, as an index into the labels or into the
            CNN's output. None takes each image's predicted class: the CNN's for
            ``target="logits"``, the head's for ``target="labels"``; with more than 16 classes
            this needs a second forward pass. A model with a single output has the one class 0,
            whatever the sign of the output.

        Returns
        -------
        The explanation, on the images' device, in at least single precision.

        Raises
        ------
        NotFittedError
            Before ``fit``.
        InputError
            If the images or the classes cannot be used.
        LevelError
            If the model's feature maps are not those that it was fitted on.

        Warns
        -----
        HRCAMWarning
            If the pattern of an explained class is 0 everywhere, since ``fit`` saw nothing of it.
        """
        learnt = self._state
        fitted, levels = learnt.fitted, learnt.fitted.levels
        head = fitted.head
        image, grid = self._image_in(images, levels), levels.grid_of(images)
        if classes is not None:
            chosen: torch.Tensor | None = check_classes(classes, len(image), len(head.bias))
        elif len(head.bias) > CLASSES_AT_ONCE:
            chosen = self._read(learnt, images, None, mapped=False).predicted
        else:
            chosen = None
        with torch.no_grad():
            found = self._read(learnt, images, chosen)
            explained = found.predicted if chosen is None else chosen.to(image.device)
            _warn_of_blank_patterns(fitted.moments, explained)
            # The caller's autocast is meant for the model; the sums need single precision.
            with torch.autocast(image.device.type, enabled=False):
                patterns = pattern_maps(found.maps, found.readouts, levels, image)
                return Explanation(
                    logits=found.logits,
                    model_logits=found.model_logits,
                    classes=explained,
                    bias=learnt.weights.bias(explained),
                    evidence=evidence_map(found.maps, grid),
                    pattern=patterns.refined,
                    pattern_as_read=patterns.as_read,
                    std=patterns.std,
                    level_evidence={
                        level.name: level_maps[:, EVIDENCE].clone()
                        for level, level_maps in zip(fitted.levels, found.maps, strict=True)
                    },
                    distance=_distance(fitted, found),
                )

    def logits(self, images: Images) -> Logits:
        """Return the head's logits, the model's own, and the distance, without making maps.

        Parameters
        ----------
        images
            As for ``explain``.

        Raises
        ------
        InputError, LevelError, NotFittedError
            As ``explain``.
        """
        learnt = self._state
        self._image_in(images, learnt.fitted.levels)
        found = self._read(learnt, images, None, mapped=False)
        return Logits(found.logits, found.model_logits, _distance(learnt.fitted, found))

    def save(self, path: str | Path) -> None:
        """Write what ``fit`` learnt to a folder, as safetensors and JSON.

        The folder does not contain the model's weights, only checksums to recognise them. Wrappers
        (``torch.compile``, ``DataParallel``) make no difference.
        """
        learnt = self._state
        settings = {**learnt.settings, "output": self._output}
        save_fitted(Path(path), self.model, learnt.fitted, settings)

    @classmethod
    def load(cls, path: str | Path, model: nn.Module) -> Self:
        """Load a saved explainer for the model that it was fitted on.

        Raises
        ------
        LoadError
            If the folder is damaged, or if the model's modules, shapes or weights differ in a
            single bit. A copy in another precision, as ``model.half()`` makes it, is accepted.
        """
        fitted, settings = load_fitted(Path(path), model)
        output = settings.pop("output")
        names = [level.name for level in fitted.levels]
        explainer = cls(model, names, output, fitted.levels.image)
        explainer._adopt(fitted, settings)
        return explainer

    @property
    def _known(self) -> Fitted:
        return self._state.fitted

    @property
    def _state(self) -> _Learnt:
        if self._learnt is None:
            raise NotFittedError(
                "the explainer is not fitted yet: call fit, or load one with HRCAM.load"
            )
        return self._learnt

    def _image_in(self, images: Images, levels: Levels) -> torch.Tensor:
        """Return the image of a batch, checked to have the axes of those of ``fit``."""
        check_images(images, self.model)
        image, axes = levels.image_of(images), len(levels[0].size)
        if image.ndim - 2 != axes:
            raise InputError(
                f"the images have the shape {tuple(image.shape)}, and the explainer was fitted on "
                f"(B, C, *spatial) with {axes} spatial axes: pass images[None] for a single "
                "image, torch.stack(images) for a list"
            )
        return image

    def _adopt(self, fitted: Fitted, settings: dict[str, Any]) -> None:
        weights = MapWeights(
            fitted.head,
            fitted.levels,
            fitted.moments.references,
            fitted.moments,
            fitted.sensitivity,
        )
        self._learnt = _Learnt(fitted, weights, settings)

    def _read(
        self,
        learnt: _Learnt,
        images: Images,
        classes: torch.Tensor | None,
        *,
        mapped: bool = True,
    ) -> LevelReading:
        return read_levels(
            self.model,
            images,
            learnt.fitted.levels,
            learnt.weights,
            classes,
            self._output,
            target=learnt.fitted.head.target,
            mapped=mapped,
        )


def _distance(fitted: Fitted, found: LevelReading) -> torch.Tensor | None:
    """Return how far each image lies from those of ``fit``, (B,); None where it is not known."""
    if fitted.features is None:
        return None
    pooled = found.pooled.cpu().double().numpy()
    distances = fitted.features.distances(pooled).astype(np.float32)
    return torch.from_numpy(distances).to(found.pooled.device)


def _warn_of_blank_patterns(moments: ReferenceMoments, classes: torch.Tensor) -> None:
    blank = set(np.flatnonzero(moments.blank).tolist())
    if not blank:
        return
    named = ", ".join(map(str, sorted(blank & set(classes.tolist()))))
    if named:
        warnings.warn(
            HRCAMWarning(
                f"the pattern of class {named} is 0 everywhere, which does not mean that nothing "
                "was found: of the images of fit none was of the class, or its logit never varied; "
                "fit on images of every class"
            ),
            stacklevel=3,
        )
