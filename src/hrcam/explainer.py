"""HRCAM: fit one head over every resolution of a CNN, and explain with it."""

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from hrcam.errors import InputError, NotFittedError
from hrcam.explanation import Explanation
from hrcam.head.covariance import ALL_OTHERS
from hrcam.head.fit import Head, Target, fit_head
from hrcam.head.quality import warn_of_poor_fit
from hrcam.levels import Levels, find_levels
from hrcam.maps.assembly import evidence_map, pattern_maps
from hrcam.maps.fusion_fit import learn_fusion
from hrcam.maps.reading import LevelReading, read_levels
from hrcam.maps.sensitivity_fit import learn_sensitivity
from hrcam.maps.training_passes import CLASSES_AT_ONCE, Watch, check_loader, pool_images
from hrcam.maps.weights import EVIDENCE, MapWeights
from hrcam.model.call import Images
from hrcam.model.inputs import (
    check_classes,
    check_groups,
    check_images,
    check_labels,
    grid_of,
    image_of,
)
from hrcam.storage import Fitted, load_fitted, save_fitted

logger = logging.getLogger(__name__)


class HRCAM:
    """Class activation maps at the resolution of the image, for a trained CNN.

    HR-CAM (Shinde et al., MICCAI 2019) pools a feature map of every resolution, learns one
    linear head over all of them, and sums the upsampled maps with that head's weights.

    Parameters
    ----------
    model
        Any module from images to logits. It is left exactly as it was by every call.
    levels
        ``"auto"`` for the last feature map of each resolution, or names of modules.
    output
        Key or index of the logits, where the model returns several things.

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
    ) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(
                f"the model is a {type(model).__name__}, not a torch.nn.Module: build the network "
                "and load its weights first"
            )
        self.model = model
        self._names = None if levels == "auto" else levels
        self._output = output
        self._fitted: Fitted | None = None
        self._settings: dict[str, Any] = {}

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
        """The class that each is compared with in the pattern map; None for all others."""
        found = self._known.fusion.references.tolist()
        return tuple(None if one == ALL_OTHERS else one for one in found)

    @property
    def reference(self) -> int | None:
        """The class that ``fit`` was told to compare the others with."""
        self._known  # noqa: B018 - raises before fit
        found: int | None = self._settings["reference"]
        return found

    @property
    def fidelity(self) -> float:
        """On held-out folds: R² of the CNN's logits, or accuracy for labels."""
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
        """Learn the head in one pass over the data, and the pattern maps in a few more.

        One of these is whole, one ends after some images of each class. With K > 2 classes two
        of the short kind for each of K − 1 choose what each class is compared with. Two more are
        of 128 and of 32 images, two at a time, the first of them with gradients; both load all
        images up to the last of these.

        Parameters
        ----------
        loader
            Yields (images, labels), or images alone for ``target="logits"``; a DataLoader, or
            anything that can be passed over twice. Batches are moved to the model's device.
        target
            ``"labels"``: a classifier of its own next to the CNN's (the paper). ``"logits"``:
            the head stands in for the CNN itself, needs no labels, and the explanation is of
            the deployed model.
        groups
            One name per image, in the loader's order, of what must not be split between folds
            and is resampled together: the subject.
        bootstrap
            Number of refits on resampled subjects; gives ``Explanation.std``.
        reference
            Of more than two classes the one that the pattern maps compare the others with, as
            controls; it is itself compared with all others. None to choose, for each class, the
            one that its images stand out from most.
        centre
            Subtract from each class's weights the mean over the classes, which a softmax does
            not see. False for outputs that do not compete: several labels, several values.
        seed
            Of folds and resampling.

        Raises
        ------
        FitError
            If no head can be learnt from the data: no batch, one class, a class without images.
        InputError
            If images, labels or groups cannot be used.
        LevelError
            If the model has no feature maps.

        Warns
        -----
        HRCAMWarning
            Where the maps will mean little: a head that hardly predicts, a class that the CNN
            never predicts. Where they will be poorer: a model that no gradient passes.
        """
        if target not in get_args(Target):
            raise InputError(f"target is {target!r}: it must be 'labels' or 'logits'")
        if not isinstance(bootstrap, int) or bootstrap < 0 or bootstrap == 1:
            raise InputError(
                f"bootstrap is {bootstrap!r}: it is a number of refits, 0 or 2 and more"
            )
        if not isinstance(seed, int) or seed < 0:
            raise InputError(f"seed is {seed!r}: it is a whole number, 0 or more")
        if reference is not None and not centre:
            raise InputError("a reference is one of classes that compete: leave centre at True")
        check_loader(loader, groups is not None)
        levels, data = pool_images(
            self.model,
            loader,
            target,
            self._output,
            lambda images: find_levels(self.model, images, self._names, self._output),
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
            bootstrap=bootstrap,
            seed=seed,
        )
        # The median parts the images of a model with one output in two halves.
        threshold = float(np.median(data.outcome))
        watch = Watch(self.model, loader, target, self._output, levels, threshold)
        own = watch.own_classes(data.outcome)
        fusion = learn_fusion(watch, head, own, centre, reference)
        sensitivity = learn_sensitivity(watch, head, fusion.references, own, centre, seed)
        self._adopt(Fitted(head, fusion, sensitivity))
        self._settings = {
            "seed": seed,
            "bootstrap": bootstrap,
            "centre": centre,
            "reference": reference,
        }
        warn_of_poor_fit(head, data.outcome)
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
            What the model takes: a tensor (B, C, *spatial), or a tuple or mapping with one.
        classes
            None for each image's predicted class (the head's, or the CNN's own where the head
            was fitted to its logits), one class for all, or one per image; class indices as in
            the labels, or in the CNN's output. A model with a single output has the one class 0,
            whatever the output's sign. With more than 16 classes, None takes a second forward
            pass.

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
        """
        fitted = self._known
        head = fitted.head
        check_images(images, self.model)
        image, grid = image_of(images), grid_of(images)
        if image.ndim - 2 != len(self.levels[0].size):
            raise InputError(
                f"the images have the shape {tuple(image.shape)}, and the explainer was fitted on "
                f"(B, C, *spatial) with {len(self.levels[0].size)} spatial axes: pass images[None] "
                "for a single image, torch.stack(images) for a list"
            )
        if classes is not None:
            chosen: torch.Tensor | None = check_classes(classes, len(image), len(head.bias))
        elif len(head.bias) > CLASSES_AT_ONCE:
            chosen = self._read(images, None, None).predicted.cpu()
        else:
            chosen = None
        with torch.no_grad():
            found = self._read(images, self._map_weights, chosen)
            explained = found.predicted if chosen is None else chosen.to(image.device)
            # A half-precision context of the caller is for the model, not for the sums.
            with torch.autocast(image.device.type, enabled=False):
                patterns = pattern_maps(found.maps, found.readouts, fitted.fusion, explained, image)
                return Explanation(
                    logits=found.logits,
                    model_logits=found.model_logits,
                    classes=explained,
                    bias=torch.tensor(head.bias).to(found.logits)[explained],
                    evidence=evidence_map(found.maps, grid),
                    pattern=patterns.pattern,
                    fused=patterns.fused,
                    std=patterns.std,
                    level_evidence={
                        level.name: level_maps[:, EVIDENCE].clone()
                        for level, level_maps in zip(fitted.levels, found.maps, strict=True)
                    },
                )

    def save(self, path: str | Path) -> None:
        """Write what ``fit`` learnt to a folder, as safetensors and JSON.

        The model's own weights are not in it, only their norms, by which ``load`` knows them.
        """
        settings = {**self._settings, "output": self._output}
        save_fitted(Path(path), self.model, self._known, settings)

    @classmethod
    def load(cls, path: str | Path, model: nn.Module) -> Self:
        """Read a saved explainer onto the model that it was fitted on.

        Raises
        ------
        LoadError
            If the folder is damaged, or if the model's modules, shapes or weights differ.
        """
        fitted, settings = load_fitted(Path(path), model)
        output = settings.pop("output")
        explainer = cls(model, [level.name for level in fitted.levels], output)
        explainer._settings = settings
        explainer._adopt(fitted)
        return explainer

    @property
    def _known(self) -> Fitted:
        if self._fitted is None:
            raise NotFittedError(
                "nothing is known of the model yet: call fit, or HRCAM.load, first"
            )
        return self._fitted

    def _adopt(self, fitted: Fitted) -> None:
        self._fitted = fitted
        self._map_weights = MapWeights(
            fitted.head, fitted.levels, fitted.fusion.references, fitted.sensitivity
        )

    def _read(
        self, images: Images, weights: MapWeights | None, classes: torch.Tensor | None
    ) -> LevelReading:
        return read_levels(
            self.model, images, self.levels, self.head, weights, classes, self._output
        )
