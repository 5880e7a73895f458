"""Images a second of `hrcam.training`, as ratios to a plain PyTorch loop.

    python benchmarks/training_speed.py [--rounds 3] [--images 256] [--epochs 2] [--only NAME]
                                        [--processor-time] [--out training_speed.json]

Every round trains the same network on the same images by a plain loop and by `train_classifier`,
with the same batch size, optimiser, schedule, loss and memory format, without and with
augmentation in the process itself. A ratio is the median over rounds of plain time / our time.
What a plain loop has not, our training does: averages of the weights, checkpoints and the history
of losses. The first epoch warms up; the others are timed.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader

from hrcam.preparation import Preparation, augmentation
from hrcam.training import Hardware
from hrcam.training.classifier import train_classifier
from hrcam.training.images import Draws, ImageDataset
from hrcam.training.network import build_network

Clock = Callable[[], float]

BATCH, RATE = 16, 2e-3

CASES = {
    "small, 128 × 128": ("small", (128, 128), 1),
    "small, 48 × 48": ("small", (48, 48), 1),
    "resnet18, 128 × 128": ("resnet18", (128, 128), 1),
    "small, 48 × 48 × 48": ("small", (48, 48, 48), 0.25),
}
"""Network, grid, and share of the images that are used."""


def dataset(shape: tuple[int, ...], images: int, changed: bool) -> ImageDataset:
    """Return images of noise in two classes, transformed at random or not."""
    generator = np.random.default_rng(0)
    preparation = Preparation(
        dimensions=len(shape), channels=("image",), in_channels=1, shape=shape, spacing=None,
        orientation="stored", left_right=0, crop_to_foreground=False,
    )  # fmt: skip
    voxels = generator.normal(size=(images, 1, *shape)).astype(np.float32)
    transform = augmentation(preparation) if changed else None
    return ImageDataset(voxels, np.arange(images) % 2, transform)


def network_of(name: str, shape: tuple[int, ...]) -> nn.Module:
    """Return a network with the same weights each time."""
    torch.manual_seed(0)
    return build_network(name, shape, 1, 2)


class Epochs:
    """Times of the ends of epochs; what `train_classifier` tells of its progress."""

    def __init__(self, clock: Clock) -> None:
        self.ends: list[float] = []
        self._clock = clock

    def update(self, *_count: int, **_note: str) -> None:
        """Note the end of an epoch."""
        self.ends.append(self._clock())

    def skip(self, _count: int) -> None:
        """Count nothing."""

    @property
    def seconds(self) -> float:
        """Duration of all epochs but the first."""
        return self.ends[-1] - self.ends[0]


def plain(
    network: nn.Module, data: ImageDataset, epochs: int, hardware: Hardware, clock: Clock
) -> float:
    """Train by a loop as in PyTorch's tutorials; return the seconds."""
    device = hardware.device
    layout = torch.channels_last_3d if data[0][0].dim() == 4 else torch.channels_last
    network = network.to(device, memory_format=layout).train()
    draws = Draws(len(data), 0)
    loader = DataLoader(data, BATCH, sampler=draws, drop_last=True)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RATE, total_steps=epochs * len(loader)
    )
    weights = torch.ones(2, device=device)
    progress = Epochs(clock)
    for epoch in range(epochs):
        draws.set_epoch(epoch)
        for batch, targets in loader:
            images, labels = batch.to(device), targets.to(device)
            optimizer.zero_grad()
            loss = functional.cross_entropy(
                network(images), labels, weight=weights, label_smoothing=0.1
            )
            loss.backward()
            optimizer.step()
            schedule.step()
        if device.type == "cuda":
            torch.cuda.synchronize()
        progress.update()
    return progress.seconds


def ours(
    network: nn.Module, data: ImageDataset, epochs: int, hardware: Hardware, clock: Clock
) -> float:
    """Train by `train_classifier`, with checkpoints; return the seconds."""
    progress = Epochs(clock)
    with tempfile.TemporaryDirectory() as folder:
        train_classifier(
            network, data, epochs=epochs, batch_size=BATCH, learning_rate=RATE,
            checkpoints=Path(folder, "checkpoints"), hardware=hardware, progress=progress,
        )  # fmt: skip
    return progress.seconds


def main() -> None:
    """Measure, print a table, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--images", type=int, default=256)
    parser.add_argument("--epochs", type=int, default=2, help="that are timed")
    parser.add_argument("--only", help="cases whose name contains this")
    parser.add_argument("--accelerator", default="cpu")
    parser.add_argument("--precision", default="32-true", help="of ours alone")
    parser.add_argument(
        "--processor-time", action="store_true", help="not the clock's, where other jobs run"
    )
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    hardware = Hardware(accelerator=options.accelerator, precision=options.precision)
    clock = time.process_time if options.processor_time else time.perf_counter
    methods = {"plain": plain, "ours": ours}
    rows = []
    for case, (name, shape, share) in CASES.items():
        if options.only and options.only not in case:
            continue
        count = max(BATCH, int(options.images * share))
        for changed in (False, True):
            data = dataset(shape, count, changed)
            times: dict[str, list[float]] = {who: [] for who in methods}
            for number in range(options.rounds):
                # In turn, so that a machine whose speed drifts does little harm.
                for who in sorted(methods, reverse=number % 2 == 1):
                    network = network_of(name, shape)
                    times[who].append(
                        methods[who](network, data, options.epochs + 1, hardware, clock)
                    )
            images = options.epochs * (count // BATCH) * BATCH
            ratios = [a / b for a, b in zip(times["plain"], times["ours"], strict=True)]
            row = {
                "case": case,
                "augmentation": changed,
                **{
                    f"images_a_second_{who}": round(images / statistics.median(seconds), 1)
                    for who, seconds in times.items()
                },
                "ratio": round(statistics.median(ratios), 3),
                "lowest": round(min(ratios), 3),
                "highest": round(max(ratios), 3),
            }
            rows.append(row)
            print(
                f"{case:22}{'augmented' if changed else 'as they are':12}"
                f"{row['images_a_second_plain']:9.1f} plain{row['images_a_second_ours']:9.1f} ours"
                f"   ratio {row['ratio']:.3f} ({row['lowest']:.3f} to {row['highest']:.3f})",
                flush=True,
            )
    if options.out:
        about = {
            "torch": torch.__version__,
            "processor": platform.processor() or platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": str(hardware.device),
            "precision": options.precision,
            "processor_time": options.processor_time,
            "batch": BATCH,
        }
        options.out.write_text(json.dumps({"about": about, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
