"""Runs without a training: small networks with random weights, really fitted explainers."""

from dataclasses import dataclass, field

import nibabel
import numpy as np
import torch
from PIL import Image as Pillow
from torch import nn

from hrcam.artifacts.distance_table import DistanceRow
from hrcam.artifacts.map_file import Scaling, read_map
from hrcam.cohort.scan import Scan
from hrcam.explainer import HRCAM
from hrcam.findings import ControlScores
from hrcam.networks import SmallCNN
from hrcam.preparation import Preparation
from hrcam.training.held_out_distances import HeldOutDistances
from hrcam.training.tasks import Classification


def preparation(shape, spacing=None, channels=("image",)):
    return Preparation(
        dimensions=len(shape),
        channels=channels,
        in_channels=len(channels),
        shape=shape,
        spacing=spacing,
        orientation="stored" if spacing is None else "RAS",
        left_right=None,
        crop_to_foreground=False,
    )


class Brightness(nn.Module):
    """A network whose only feature is the image: its maps must be where the image is."""

    def __init__(self, dimensions):
        super().__init__()
        convolution = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.feature = convolution(1, 1, 1, bias=False)
        nn.init.ones_(self.feature.weight)

    def forward(self, images):
        mean = self.feature(images).flatten(1).mean(1, keepdim=True)
        return torch.cat([-mean, mean], 1)


@dataclass
class SmallRun:
    """What `hrcam.training.run.Run` offers, made in a moment."""

    preparation: Preparation
    classes: tuple[str, ...] = ("control", "patient")
    folds: int = 1
    bootstrap: int = 0
    seed: int = 0
    network: type[nn.Module] | None = None
    lean: float = 0
    head: str = "logits"
    reference: str | None = None
    warnings: tuple[tuple[str, ...], ...] = ()
    control_scores: tuple[float, ...] = ()
    distances: tuple[float, ...] = ()
    voxel_sizes: tuple[tuple[float, ...], tuple[float, ...]] | None = None
    seen: dict[str, tuple[int, ...]] = field(default_factory=dict)
    loaded: list[int] = field(default_factory=list)

    @property
    def task(self):
        return Classification(self.classes, None, self.reference)

    @property
    def channels(self):
        return self.preparation.channels

    @property
    def manifest(self):
        content = {"seed": self.seed, "folds": self.folds, "classes": list(self.classes)}
        if self.warnings:
            content["fold_details"] = [{"warnings": list(texts)} for texts in self.warnings]
        return content

    def explainer(self, fold):
        self.loaded.append(fold)
        generator = torch.Generator().manual_seed(1000 * self.seed + fold)
        torch.manual_seed(1000 * self.seed + fold)
        size = (self.preparation.in_channels, *self.preparation.shape)
        if self.network is None:
            model = SmallCNN(len(size) - 1, size[0], len(self.classes), (3, 4, 5)).eval()
        else:
            model = self.network(len(size) - 1).eval()
        images = torch.randn(24, *size, generator=generator)
        if self.network is None:
            with torch.no_grad():  # noise is of either class
                model.classifier.bias -= model(images).mean(0)
        images = images + torch.randn(24, *[1] * len(size), generator=generator)
        batches = [images[:12], images[12:]]
        if self.head == "labels":
            classes = torch.arange(12) % len(self.classes)
            batches = [(batch, classes) for batch in batches]
        explainer = HRCAM(model).fit(
            batches,
            target=self.head,
            bootstrap=self.bootstrap,
            reference=None if self.reference is None else self.classes.index(self.reference),
        )
        if self.lean:
            model.classifier.bias.data[-1] += self.lean
        return explainer

    @property
    def held_out(self):
        return HeldOutDistances.of(
            DistanceRow(f"{fold}-{index}", "g", fold, distance)
            for fold in range(1, self.folds + 1)
            for index, distance in enumerate(self.distances)
        )

    def controls_for(self, scan, voxel_hash, map_class):
        if self.reference in (None, map_class):
            return None
        return ControlScores(self.control_scores)

    def folds_for(self, scan, voxel_hash):
        if scan.participant in self.seen:
            return self.seen[scan.participant], False
        return tuple(range(1, self.folds + 1)), False


def write_pictures(folder, number, size=(20, 28), seed=0):
    """Pictures of noise and their scans, named sub-01 and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    scans = []
    for index in range(1, number + 1):
        path = folder / f"{index}.png"
        Pillow.fromarray(generator.integers(0, 256, size).astype(np.uint8)).save(path)
        label = ("control", "patient")[index % 2]
        scans.append(Scan(f"sub-{index:02d}", f"p{index}", {"image": path}, label))
    return scans


def write_volume(path, voxels, affine, codes=(1, 1)):
    image = nibabel.Nifti1Image(np.asarray(voxels, np.float32), affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine, codes[1])
    nibabel.save(image, path)
    return path


def oblique(signs=(1, 1, 1), spacing=(1.0, 1.2, 2.5), order=(0, 1, 2)):
    """An affine turned by 14° and 20°, its axes flipped and permuted."""
    a, b = np.radians(14), np.radians(20)
    turn_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    turn_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = (turn_x @ turn_z @ np.diag(spacing) * signs)[:, order]
    affine[:3, 3] = -31.5, 12.25, 7
    return affine


def files_of(folder):
    """Content of every file below a folder, by its path."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def map_of(folder, record, kind):
    """Values of a map in the folder of its record, which is as in JSON."""
    scaling = record["Maps"][kind].get("Scaling")
    return read_map(
        folder / record["Files"][kind], None if scaling is None else Scaling.from_json(scaling)
    )
