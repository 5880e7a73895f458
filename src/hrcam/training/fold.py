"""One fold of a cross-validation: train the CNN, fit HR-CAM, predict what neither has seen."""

import logging
import shutil
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.control_table import CONTROLS, encode_controls
from hrcam.artifacts.distance_table import DISTANCES, encode_distances
from hrcam.artifacts.network_weights import read_weights, write_weights
from hrcam.artifacts.run_folder import CHECKPOINTS, EXPLAINER, NETWORK, write_fold
from hrcam.artifacts.run_tables import PREDICTIONS
from hrcam.cohort.splits import Fold
from hrcam.errors import HRCAMWarning
from hrcam.explainer import HRCAM
from hrcam.head.fit import Target
from hrcam.head.quality import AbsentClassesWarning
from hrcam.model.inputs import to_device_of
from hrcam.progress import Progress
from hrcam.training.classifier import train_classifier
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.control_maps import control_rows
from hrcam.training.fine_tuning import layer_rates
from hrcam.training.images import ImageDataset, Transform
from hrcam.training.initial_weights import InitialWeights
from hrcam.training.plan import Plan
from hrcam.training.run_network import initial_network
from hrcam.training.samples import Samples
from hrcam.training.tasks import Task
from hrcam.training.tries import Try, train_best

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Batches:
    """Batches of images and targets, the same in every pass; changed by a transform if given."""

    dataset: ImageDataset
    keys: tuple[int | tuple[int, int], ...]
    size: int

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Yield pairs of images (B, C, *spatial) and targets (B,) or (B, K)."""
        for start in range(0, len(self.keys), self.size):
            items = [self.dataset[key] for key in self.keys[start : start + self.size]]
            yield (
                torch.stack([image for image, _ in items]),
                torch.as_tensor(np.array([one for _, one in items])),
            )


def train_fold(
    folder: Path,
    fold: Fold,
    samples: Samples,
    task: Task,
    config: TrainingConfig,
    tries: Sequence[Try],
    transform: Transform,
    *,
    hardware: Hardware,
    progress: Progress | None = None,
) -> None:
    """Train, fit and predict one fold into a folder, by the best of some plans.

    The folder gets ``network.safetensors``, ``explainer/``, ``history.tsv``,
    ``predictions.tsv`` and ``distances.tsv`` of the fold's test scans, ``controls.tsv`` where there
    is a reference class and, last, ``fold.json``. Interrupted, it goes on from the last epoch that
    was finished. Progress counts its epochs.
    """
    started = time.monotonic()
    train, validation, test = map(samples.indices, (fold.train, fold.validation, fold.test))
    learnt = task.standardised(samples.targets, train)
    data = ImageDataset(samples.images, learnt, transform)
    channels, shape = samples.images.shape[1], samples.images.shape[2:]

    def built(plan: Plan) -> tuple[nn.Module, InitialWeights | None]:
        return initial_network(plan.network, config, shape, channels, len(task.outputs))

    def learn(place: Path, plan: Plan) -> None:
        bare, _ = built(plan)
        decay = config.layer_decay
        train_classifier(
            bare,
            data.subset(train),
            task.objective(torch.as_tensor(learnt[train]), plan.balance),
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            learning_rate=plan.learning_rate,
            rates=None if decay is None else layer_rates(bare, (channels, *shape), decay),
            validation=data.subset(validation) if len(validation) else None,
            patience=plan.patience,
            checkpoints=place / CHECKPOINTS,
            hardware=hardware,
            seed=config.seed,
            progress=progress,
        )
        write_weights(task.in_units(bare, samples.targets[train]), place / NETWORK)

    plan = train_best(folder, tries, learn, progress)
    bare, initial = built(plan)
    network = task.in_units(bare, samples.targets[train])
    read_weights(network, folder / NETWORK)
    network.to(hardware.device)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        explainer = _fitted(
            network, data, samples, train, validation, config, plan.batch_size, task
        )
    poor = _told(caught, task.outputs)
    explainer.save(folder / EXPLAINER)
    own, head, distances = _predicted(explainer, data, test, task, plan.batch_size)
    tested = [samples.scans[index] for index in test]
    write_atomically(folder / PREDICTIONS, task.encode_predictions(tested, own, head))
    rows_of_test = [
        (scan.name, scan.group, each) for scan, each in zip(tested, distances, strict=True)
    ]
    write_atomically(folder / DISTANCES, encode_distances(rows_of_test))
    if task.reference is not None:
        rows = control_rows(
            explainer,
            samples,
            test,
            task.outputs,
            task.outputs.index(task.reference),
            batch_size=plan.batch_size,
            seed=config.seed,
        )
        write_atomically(folder / CONTROLS, encode_controls(rows))
    details = {
        "network": plan.network,
        "fidelity": explainer.fidelity,
        "levels": [level.name for level in explainer.levels],
        "references": {
            name: None if index is None else task.outputs[index]
            for name, index in zip(task.outputs, explainer.references, strict=True)
        },
        "initial_weights": initial and asdict(initial),
        "warnings": poor,
        "images": {"train": len(train), "validation": len(validation), "test": len(test)},
        "seconds": round(time.monotonic() - started, 1),
    }
    write_fold(folder, details)
    shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)


def _told(caught: Sequence[warnings.WarningMessage], classes: tuple[str, ...]) -> list[str]:
    """Give the warnings of a fit again, with the names of classes, and return those of ours."""
    told = []
    for one in caught:
        message = one.message
        if isinstance(message, AbsentClassesWarning):
            message = HRCAMWarning(message.named(classes))
        warnings.warn(message, one.category, stacklevel=3)
        if isinstance(message, HRCAMWarning):
            told.append(str(message))
    return told


def _fitted(
    network: nn.Module,
    data: ImageDataset,
    samples: Samples,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    config: TrainingConfig,
    batch_size: int,
    task: Task,
) -> HRCAM:
    """Fit HR-CAM's head on the training and validation images.

    A head that learns labels gets the training images changed at random: features of images
    that the CNN knows by heart look easier than those of new ones.
    """
    target: Target = "labels" if config.head == "labels" else "logits"
    draws = np.random.default_rng(config.seed).integers(2**32, size=len(train)).tolist()
    known: list[int | tuple[int, int]] = (
        list(zip(train.tolist(), draws, strict=True)) if target == "labels" else train.tolist()
    )
    keys = (*known, *validation.tolist())
    order = [*train.tolist(), *validation.tolist()]
    return HRCAM(network).fit(
        Batches(data, keys, batch_size),
        target,
        groups=[samples.scans[index].group for index in order],
        bootstrap=config.bootstrap,
        reference=None if task.reference is None else task.outputs.index(task.reference),
        centre=task.compete,
        seed=config.seed,
    )


def _predicted(
    explainer: HRCAM,
    data: ImageDataset,
    indices: NDArray[np.int64],
    task: Task,
    batch_size: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], list[float]]:
    """Return what network and head predict for each scan, and how far it lies from the training.

    Predictions have the shape (N, K).
    """
    own, head = [], []
    distances: list[float] = []
    with torch.no_grad():
        for batch, _ in Batches(data, tuple(indices.tolist()), batch_size):
            images = to_device_of(explainer.model, batch)
            logits = explainer.logits(images)
            # A head that learnt labels does not keep what the network says.
            model = explainer.model(images) if logits.model is None else logits.model
            own.append(task.activated(model))
            head.append(task.activated(logits.head))
            assert logits.distance is not None
            distances += logits.distance.tolist()
    of_network, of_head = (torch.cat(one).double().cpu().numpy() for one in (own, head))
    return of_network, of_head, distances
