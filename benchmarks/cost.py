"""Time and memory of a map, as ratios to the plain forward pass and beside other packages.

    python benchmarks/cost.py [--rounds 7] [--only NAME] [--out cost.json]

Every round runs the plain forward pass and each method in turn on the same images, and a ratio
is the median over rounds of method / plain, so that a machine whose speed drifts does little
harm. Peak memory is taken in a fresh process for each method, above what the process held just
before. Packages that are not installed are left out and said so.
"""

import argparse
import importlib.util
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from monai.networks.nets import DenseNet121, resnet18, resnet50
from torch import nn
from torch.nn import functional

from hrcam import HRCAM
from hrcam.errors import HRCAMWarning
from hrcam.levels import find_levels

Run = Callable[[], object]

# Each tensor is mapped for itself and returned when it is freed, so that the peak is what lives at
# one time and not what the heap had kept from before.
PLAIN_HEAP = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}

# Images that ``fit`` is timed on, by number of axes, and their sides.
FIT_IMAGES, FIT_SIZE, FIT_BATCH = {2: 1000, 3: 64}, {2: 128, 3: 64}, 8

CASES: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "ResNet-18, 2D, 8 × 3 × 224²": (
        lambda: resnet18(spatial_dims=2, n_input_channels=3, num_classes=2, conv1_t_stride=2),
        (8, 3, 224, 224),
        "layer4",
    ),
    "ResNet-50, 2D, 8 × 3 × 224²": (
        lambda: resnet50(spatial_dims=2, n_input_channels=3, num_classes=2, conv1_t_stride=2),
        (8, 3, 224, 224),
        "layer4",
    ),
    "DenseNet-121, 2D, 8 × 3 × 224²": (
        lambda: DenseNet121(spatial_dims=2, in_channels=3, out_channels=2),
        (8, 3, 224, 224),
        "class_layers.relu",
    ),
    "ResNet-18, 3D, 1 × 1 × 96³": (
        lambda: resnet18(spatial_dims=3, n_input_channels=1, num_classes=2, conv1_t_stride=2),
        (1, 1, 96, 96, 96),
        "layer4",
    ),
    "ResNet-18, 3D, 1 × 1 × 128³": (
        lambda: resnet18(spatial_dims=3, n_input_channels=1, num_classes=2, conv1_t_stride=2),
        (1, 1, 128, 128, 128),
        "layer4",
    ),
}


def plain(model: nn.Module, images: torch.Tensor) -> Run:
    """Return the plain forward pass."""

    def run() -> object:
        with torch.no_grad():
            return model(images)

    return run


def ours(model: nn.Module, images: torch.Tensor, bootstrap: int = 0) -> Run:
    """Return ``explain`` of a fitted explainer, for the predicted classes."""
    generator = torch.Generator().manual_seed(0)
    few = torch.randn((6, *images.shape[1:]), generator=generator)
    batches = [few[:2], few[2:4], few[4:]]
    explainer = HRCAM(model).fit(batches, target="logits", bootstrap=bootstrap)
    return lambda: explainer.explain(images)


def captum_grad_cam(model: nn.Module, images: torch.Tensor, layer: str) -> Run:
    """Return captum's LayerGradCam of one layer, upsampled to the image."""
    from captum.attr import LayerAttribution, LayerGradCam

    method = LayerGradCam(model, model.get_submodule(layer))
    mode = "bilinear" if images.ndim == 4 else "trilinear"

    def run() -> object:
        maps = method.attribute(images, target=1)
        return LayerAttribution.interpolate(maps, tuple(images.shape[2:]), mode)

    return run


def monai_grad_cam(model: nn.Module, images: torch.Tensor, layer: str) -> Run:
    """Return MONAI's GradCAM of one layer."""
    from monai.visualize import GradCAM

    method = GradCAM(model, layer)
    return lambda: method(images, class_idx=1)


def torchcam_maps(model: nn.Module, images: torch.Tensor, layers: list[str], name: str) -> Run:
    """Return a torch-cam method at some layers, each upsampled to the image."""
    from torchcam import methods

    method = getattr(methods, name)(model, layers, input_shape=tuple(images.shape[1:]))
    mode = "bilinear" if images.ndim == 4 else "trilinear"

    def run() -> object:
        scores = model(images)
        maps = method([1] * len(images), scores)
        return [
            functional.interpolate(level[:, None], images.shape[2:], mode=mode) for level in maps
        ]

    return run


def methods(model: nn.Module, images: torch.Tensor, layer: str) -> dict[str, Callable[[], Run]]:
    """Return what is timed, each made only when it is its turn."""
    every = [level.module for level in find_levels(model, images)]
    table: dict[str, Callable[[], Run]] = {
        "plain forward pass": lambda: plain(model, images),
        "hrcam, evidence and pattern, all levels": lambda: ours(model, images),
        "hrcam, with 32 resampled patterns": lambda: ours(model, images, bootstrap=32),
        "captum LayerGradCam, last layer": lambda: captum_grad_cam(model, images, layer),
        "MONAI GradCAM, last layer": lambda: monai_grad_cam(model, images, layer),
        "torch-cam GradCAM, last layer": lambda: torchcam_maps(model, images, [layer], "GradCAM"),
        "torch-cam LayerCAM, all levels": lambda: torchcam_maps(model, images, every, "LayerCAM"),
    }
    lacking = [name for name in ("captum", "torchcam") if importlib.util.find_spec(name) is None]
    package = {"captum": "captum", "torchcam": "torch-cam"}
    return {
        name: make
        for name, make in table.items()
        if not any(name.startswith(package[missing]) for missing in lacking)
    }


def build(case: str) -> tuple[nn.Module, torch.Tensor, str]:
    """Make the network, in evaluation mode, and its images."""
    make, shape, layer = CASES[case]
    torch.manual_seed(0)
    return make().eval(), torch.randn(shape), layer


def time_case(case: str, rounds: int) -> dict[str, float]:
    """Return seconds of the plain pass, and each method's median ratio to it."""
    model, images, layer = build(case)
    makers = methods(model, images, layer)
    seconds: dict[str, list[float]] = {name: [] for name in makers}
    # Other packages leave hooks on the model: ours and the plain pass run on a model of their own.
    runs: dict[str, Run] = {}
    for name in makers:
        fresh, same, _ = build(case)
        runs[name] = methods(fresh, same, layer)[name]()
        runs[name]()
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    base = seconds["plain forward pass"]
    return {"plain_seconds": statistics.median(base)} | {
        name: statistics.median(t / b for t, b in zip(times, base, strict=True))
        for name, times in seconds.items()
        if name != "plain forward pass"
    }


def peak_memory(case: str, name: str) -> float:
    """Return the peak memory of one method in MiB, above what the process held before."""
    model, images, layer = build(case)
    run = methods(model, images, layer)[name]()
    run()  # one-off allocations of the libraries are not the method's
    before = _resident()
    Path("/proc/self/clear_refs").write_text("5")  # reset the kernel's high-water mark
    run()
    return _high_water() - before


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def _high_water() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 2**10
    raise RuntimeError("this kernel does not tell the peak memory")


def fit_ratio(case: str) -> float:
    """Return the time of ``fit`` on `FIT_IMAGES` images, over a plain pass over the same batches.

    The images are smaller than the case's, and its axes are kept.
    """
    model, images, _ = build(case)
    size = FIT_SIZE[images.ndim - 2]
    shape = (FIT_BATCH, images.shape[1], *[size] * (images.ndim - 2))
    batches = [
        torch.randn(shape, generator=torch.Generator().manual_seed(seed))
        for seed in range(FIT_IMAGES[images.ndim - 2] // FIT_BATCH)
    ]
    runs = [plain(model, batch) for batch in batches]
    runs[0]()
    start = time.perf_counter()
    for run in runs:
        run()
    base = time.perf_counter() - start
    start = time.perf_counter()
    with warnings.catch_warnings():
        # Of random weights: the head says nothing of noise, and hardly a class is predicted.
        warnings.simplefilter("ignore", HRCAMWarning)
        HRCAM(model).fit(batches, "logits")
    return (time.perf_counter() - start) / base


def main() -> None:
    """Run every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--out", type=Path, help="also write the numbers as JSON")
    parser.add_argument("--memory-of", nargs=2, metavar=("CASE", "METHOD"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.memory_of:
        print(peak_memory(*arguments.memory_of))
        return
    print(f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, "
          f"torch {torch.__version__}, {arguments.rounds} rounds")  # fmt: skip
    results = {}
    for case in CASES:
        if arguments.only not in case:
            continue
        result = {"time": time_case(case, arguments.rounds)}
        result["fit"] = {"whole": fit_ratio(case)}
        model, images, layer = build(case)
        memory = {}
        for name in methods(model, images, layer):
            command = [sys.executable, __file__, "--memory-of", case, name]
            done = subprocess.run(
                command,
                check=True,
                capture_output=True,
                text=True,
                env={**os.environ, **PLAIN_HEAP},
            )
            memory[name] = float(done.stdout)
        result["memory_mib"] = memory
        results[case] = result
        show(case, result)
    if arguments.out:
        arguments.out.write_text(json.dumps(results, indent=2, ensure_ascii=False) + "\n")


def show(case: str, result: dict[str, dict[str, float]]) -> None:
    """Print one case."""
    memory, base = result["memory_mib"], result["memory_mib"]["plain forward pass"]
    print(f"\n{case}: plain forward pass {result['time']['plain_seconds']:.2f} s, {base:.0f} MiB")
    print(f"  {'':42}  time   memory")
    for name in memory:
        if name in result["time"]:
            print(f"  {name:42}  {result['time'][name]:.2f}   {memory[name] / base:.2f}")
    for name, ratio in result["fit"].items():
        print(f"  fit, {name:37}  {ratio:.2f}")


if __name__ == "__main__":
    main()
