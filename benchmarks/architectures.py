"""Read every network of a zoo: its levels, whether they lie right, and what it costs.

For one small member of each family of timm, torchvision and MONAI (those that are installed), with
random weights:

- levels and strides, or the reason why the network was refused;
- the error of the identity, mean of the evidence plus bias against the logit;
- the largest distance between a level's position and the centre of gravity of the gradient of what
  is computed there, in strides, in the middle of each level;
- whether weights, buffers, modes and a later training step are those of an untouched copy;
- the time of ``find_levels`` and of ``explain`` in forward passes.

    python benchmarks/architectures.py --out architectures.csv [--only NAME ...]

Each network runs in a process of its own. A table that exists is continued.
"""

import argparse
import copy
import csv
import multiprocessing
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import nn

from hrcam import HRCAM, find_levels
from hrcam.errors import HRCAMError
from hrcam.levels import Level
from hrcam.levels.capture import reading

CLASSES = 3
COLUMNS = (
    "package", "family", "network", "size", "verdict", "levels", "strides", "identity", "places",
    "unchanged", "find", "explain", "forward", "note",
)  # fmt: skip
# Parts of the names of small networks, the smallest first.
SMALL = (
    "128s", "test", "atto", "femto", "pico", "nano", "zero", "xxs", "xx_small", "tiny", "micro",
    "mini", "_xs", "x_small", "_s0", "_t0", "_m0", "b0", "_002", "_0", "small", "_s", "t", "10",
    "18", "26", "50",
)  # fmt: skip
HALF = 0.5  # strides, between a position and its centre
NOISES, MORE_NOISES = 2, 24  # images, over which a centre is averaged
LEAST_MOTION = 0.02  # of the image, over half of it
# With fewer positions along an axis, a larger image is taken.
LEAST_POSITIONS = 4
MOST_PARAMETERS = 30e6
TIME_LIMIT = 300  # seconds for one network
# The first of these sizes that a network takes: at the coarsest level of smaller images, the border
# cuts off most of each receptive field.
SIZES = (128, 224, 256)
SIZES_3D = (64, 96, 128)


def timm_families() -> dict[str, list[str]]:
    """Return the classifiers of each module of timm, those with the shortest names first."""
    try:
        import timm
    except ModuleNotFoundError:
        return {}
    return {
        family: sorted(timm.list_models(module=family), key=lambda one: (len(one), one))
        for family in timm.list_modules()
    }


def smallest(names: list[str]) -> str:
    """Return the network that is the smallest by its name."""
    ranked = (one for part in SMALL for one in names if part in one)
    return next(ranked, names[0])


def networks() -> Iterator[tuple[str, str, str]]:
    """Yield (package, family, network)."""
    import importlib.util

    for family, names in timm_families().items():
        if names:
            yield "timm", family, smallest(names)
    if importlib.util.find_spec("torchvision"):
        for network in TORCHVISION:
            yield "torchvision", network, network
    if importlib.util.find_spec("monai"):
        for network in MONAI:
            for dims in (2, 3):
                yield "monai", network, f"{network}-{dims}d"


class LastStage(nn.Module):
    """A classifier on the last stage of MONAI's Swin transformer."""

    def __init__(self, dims: int) -> None:
        from monai.networks.nets.swin_unetr import SwinTransformer

        super().__init__()
        self.encoder = SwinTransformer(
            1, 12, (4,) * dims, (2,) * dims, (2,) * 4, (2, 2, 4, 4), spatial_dims=dims
        )
        self.fc = nn.Linear(192, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.fc(self.encoder(x)[-1].flatten(2).mean(-1))


class First(nn.Module):
    """The first item that a network returns."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return logits."""
        return self.network(x)[0]


def _pooled(network: nn.Module, dims: int) -> nn.Module:
    """Classify by the mean of a segmentation network's four maps."""
    pooling = nn.AdaptiveAvgPool2d(1) if dims == 2 else nn.AdaptiveAvgPool3d(1)
    return nn.Sequential(network, pooling, nn.Flatten(), nn.Linear(4, CLASSES))


def _monai(name: str, dims: int, size: int) -> nn.Module:
    from monai.networks import nets

    one = {"spatial_dims": dims, "in_channels": 1}
    return {
        "resnet": lambda: nets.resnet10(
            spatial_dims=dims, n_input_channels=1, num_classes=CLASSES
        ),
        "densenet": lambda: nets.DenseNet121(**one, out_channels=CLASSES),
        "efficientnet": lambda: nets.EfficientNetBN(
            "efficientnet-b0", pretrained=False, **one, num_classes=CLASSES
        ),
        "senet": lambda: nets.SEResNet50(**one, num_classes=CLASSES),
        "senet154": lambda: nets.SEResNext50(**one, num_classes=CLASSES),
        "classifier": lambda: nets.Classifier(
            (1, *(size,) * dims), CLASSES, (8, 16, 32), (2, 2, 2)
        ),
        "vit": lambda: First(
            nets.ViT(
                1, (size,) * dims, (8,) * dims, 48, 96, 4, 4, num_classes=CLASSES,
                classification=True, spatial_dims=dims, post_activation=None,
            )
        ),
        "swin": lambda: LastStage(dims),
        "unet_encoder": lambda: _pooled(nets.UNet(dims, 1, 4, (8, 16, 32), (2, 2)), dims),
        "unetr": lambda: _pooled(
            nets.UNETR(
                1, 4, (size,) * dims, feature_size=8, hidden_size=48, mlp_dim=96, num_heads=4,
                spatial_dims=dims,
            ),
            dims,
        ),
        "swin_unetr": lambda: _pooled(
            nets.SwinUNETR(
                1, 4, feature_size=12, depths=(2, 2, 2, 2), num_heads=(2, 2, 4, 4),
                spatial_dims=dims,
            ),
            dims,
        ),
        "torchvision_fc": lambda: nets.resnet18(
            spatial_dims=dims, n_input_channels=1, num_classes=CLASSES
        ),
    }[name]()  # fmt: skip


TORCHVISION = (
    "alexnet", "convnext_tiny", "densenet121", "efficientnet_b0", "googlenet", "inception_v3",
    "maxvit_t", "mnasnet0_5", "mobilenet_v2", "mobilenet_v3_small", "regnet_x_400mf", "resnet18",
    "shufflenet_v2_x0_5", "squeezenet1_1", "swin_t", "swin_v2_t", "vgg11_bn", "vit_b_16",
)  # fmt: skip
MONAI = (
    "resnet", "densenet", "efficientnet", "senet", "senet154", "classifier", "vit", "swin",
    "unet_encoder", "torchvision_fc",
    # These need einops.
    "unetr", "swin_unetr",
)  # fmt: skip


def built(package: str, name: str, sizes: Sequence[int] = ()) -> tuple[nn.Module, tuple[int, ...]]:
    """Build a network with random weights, and return it with the smallest images that it takes."""
    dims = 3 if name.endswith("-3d") else 2
    channels = 1 if package == "monai" else 3
    errors = []
    for size in sizes or (SIZES if dims == 2 else SIZES_3D):
        torch.manual_seed(0)
        try:
            model = _make(package, name, dims, size).eval()
            shape = (channels, *(size,) * dims)
            with torch.no_grad():
                model(torch.randn(2, *shape))
                for weight in model.parameters():  # heads that start at zero
                    if weight.ndim > 1 and not weight.any():
                        weight.normal_(0, 0.02)
        except Exception as error:
            errors.append(f"{size}: {type(error).__name__} {error}"[:200])
            continue
        return model, shape
    raise RuntimeError(errors[-1])


def parameters(package: str, name: str) -> int:
    """Return the number of parameters of a network, built without memory where possible."""
    try:
        with torch.device("meta"):
            model = _make(package, name, 3 if name.endswith("-3d") else 2, SIZES[0])
    except Exception:
        return 0
    return sum(one.numel() for one in model.parameters())


def _make(package: str, name: str, dims: int, size: int) -> nn.Module:
    if package == "monai":
        return _monai(name.removesuffix(f"-{dims}d"), dims, size)
    if package == "torchvision":
        import torchvision

        options = {"init_weights": True} if name in ("googlenet", "inception_v3") else {}
        if name.startswith("vit"):
            options["image_size"] = size
        return torchvision.models.get_model(name, num_classes=CLASSES, **options)
    import timm

    try:
        return timm.create_model(name, num_classes=CLASSES, img_size=size)
    except TypeError:
        return timm.create_model(name, num_classes=CLASSES)


def measure(package: str, family: str, name: str) -> dict[str, object]:
    """Return the row of one network."""
    row: dict[str, object] = {"package": package, "family": family, "network": name}
    if parameters(package, name) > MOST_PARAMETERS:
        return row | {"verdict": "not measured", "note": "too large"}
    try:
        model, shape = built(package, name)
        if min(find_levels(model, torch.randn(1, *shape))[0].size) < LEAST_POSITIONS:
            larger = [size for size in SIZES if size > shape[-1]] if len(shape) == 3 else []
            with suppress(RuntimeError):
                model, shape = built(package, name, larger or (shape[-1],))
    except HRCAMError:
        pass
    except Exception as error:
        return row | {"verdict": "not built", "note": str(error)[:200]}
    row["size"] = " × ".join(map(str, shape))
    untouched = copy.deepcopy(model)
    images = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        row["forward"] = round(seconds(lambda: model(images[:1])), 4)
    try:
        begin = time.perf_counter()
        levels = find_levels(model, images)
        row["find"] = round((time.perf_counter() - begin) / row["forward"], 1)
        row["levels"] = ", ".join(level.name for level in levels)
        row["strides"] = ", ".join(
            " × ".join(f"{one:.4g}" for one in dict.fromkeys(level.stride)) for level in levels
        )
        distances = [distance(model, images[:1], level) for level in levels]
        # Attention over the whole image moves the centre by chance: with more noise, less.
        distances = [
            distance(model, images[:1], level, MORE_NOISES) if far > HALF else far
            for level, far in zip(levels, distances, strict=True)
        ]
        row["places"] = round(float(np.nanmax(distances)), 2)
        untold = [one.name for one, far in zip(levels, distances, strict=True) if np.isnan(far)]
        if untold:
            row["note"] = f"receptive fields exceed the image: {', '.join(untold)}"
        hr = HRCAM(model).fit([images], target="logits")
        exp = hr.explain(images, 1)
        logit = exp.logits[:, 1]
        error = (exp.evidence.flatten(1).mean(1) + exp.bias - logit).abs().max()
        row["identity"] = f"{float(error / logit.abs().max()):.1e}"
        with torch.no_grad():
            forward = seconds(lambda: model(images))
        row["explain"] = round(seconds(lambda: hr.explain(images, 1)) / forward, 2)
    except HRCAMError as error:
        row |= {"verdict": "refused", "note": str(error).replace("\n", " ")[:300]}
    row["unchanged"] = same_step(model, untouched, images[:2])
    if "verdict" not in row:
        right = row["places"] <= HALF and float(row["identity"]) <= 1e-3 and row["unchanged"]
        row["verdict"] = "right" if right else "wrong"
    return row


def seconds(run: Callable[[], object]) -> float:
    """Return the shortest of two durations, after a first run."""
    run()
    times = []
    for _ in range(2):
        begin = time.perf_counter()
        run()
        times.append(time.perf_counter() - begin)
    return min(times)


def distance(model: nn.Module, image: torch.Tensor, level: Level, noises: int = NOISES) -> float:
    """Return how far a level's middle positions lie from their gradients' centre, in strides.

    The mean over the two positions about the middle, along each axis: so a receptive field that
    the border cuts off cancels out. Infinite if a step along an axis does not lead forwards, and
    not a number if no centre moves, since each receptive field covers the image.
    """
    size = level.size
    first = [
        (stride - 1) / 2 if level.feature_grid is None else level.feature_grid.first[axis]
        for axis, stride in enumerate(level.stride)
    ]
    low = [(one - 1) // 4 for one in size]
    high = [one - 1 - begin for one, begin in zip(size, low, strict=True)]
    worst = 0.0
    start = centre(model, image, level, tuple(low), noises)
    for axis in range(len(size)):
        if high[axis] == low[axis]:
            continue
        place = [high[axis] if other == axis else one for other, one in enumerate(low)]
        end = centre(model, image, level, tuple(place), noises)
        moved = (end - start) / np.array(image.shape[2:])
        if np.abs(moved).max() < LEAST_MOTION:
            return float("nan")
        if moved[axis] <= 0 or np.abs(np.delete(moved, axis)).max(initial=0.0) > moved[axis]:
            return float("inf")
        step = level.stride[axis] if level.feature_grid is None else level.feature_grid.step[axis]
        expected = first[axis] + step * (low[axis] + high[axis]) / 2
        worst = max(worst, abs((start + end)[axis] / 2 - expected) / level.stride[axis])
    return worst


def centre(
    model: nn.Module, image: torch.Tensor, level: Level, place: tuple[int, ...], noises: int
) -> np.ndarray:
    """Return where in the image the values at one position come from."""
    total = 0
    # A receptive field that exceeds the image leaves little motion: average over more noise.
    for seed in range(max(noises, 16) if np.prod(level.size) <= 16 else noises):
        generator = torch.Generator().manual_seed(seed)
        leaf = torch.randn(image.shape, generator=generator).requires_grad_()
        maps: list[torch.Tensor] = []
        with reading(model, [level], lambda _, one: maps.append(one.clone())):  # noqa: B023
            model(leaf)
        direction = torch.randn(level.channels, generator=generator)
        value = (maps[0][(0, slice(None), *place)] * direction).sum()
        (gradient,) = torch.autograd.grad(value, leaf)
        total = total + gradient[0].square().sum(0).double()
    weight = (total / total.sum()).numpy()
    return np.indices(weight.shape).reshape(weight.ndim, -1) @ weight.ravel()


def same_step(model: nn.Module, untouched: nn.Module, images: torch.Tensor) -> bool:
    """Whether outputs and gradients are those of an untouched copy, and its state the same."""
    state = untouched.state_dict()
    if any(not torch.equal(value, state[key]) for key, value in model.state_dict().items()):
        return False
    outputs = []
    for one in (model, untouched):
        torch.manual_seed(1)
        output = one(images)
        output = output[0] if isinstance(output, tuple) else output
        output.square().sum().backward()
        outputs.append(output)
    if not torch.equal(*outputs):
        return False
    pairs = zip(model.parameters(), untouched.parameters(), strict=True)
    return all(
        (a.grad is None) == (b.grad is None) and (a.grad is None or torch.equal(a.grad, b.grad))
        for a, b in pairs
    )


def apart(package: str, family: str, name: str) -> dict[str, object]:
    """Return the row of one network, measured in a process of its own."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)

    def work() -> None:
        try:
            theirs.send(measure(package, family, name))
        except Exception as error:
            theirs.send({"verdict": "failed", "note": f"{type(error).__name__} {error}"[:300]})

    process = context.Process(target=work)
    process.start()
    theirs.close()
    try:
        if not ours.poll(TIME_LIMIT):
            return {"verdict": "not measured", "note": f"more than {TIME_LIMIT} s"}
        return ours.recv()
    except EOFError:
        return {"verdict": "failed", "note": "the process ended"}
    finally:
        process.kill()
        process.join()


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("architectures.csv"))
    parser.add_argument("--only", nargs="*", default=())
    options = parser.parse_args()
    torch.set_num_threads(1)  # before the networks are measured in forks of this process
    warnings.simplefilter("ignore")
    done = {}
    if options.out.exists():
        with options.out.open(newline="") as file:
            done = {(row["package"], row["network"]): row for row in csv.DictReader(file)}
    for package, family, name in networks():
        redo = name in options.only
        if (options.only and not redo) or ((package, name) in done and not redo):
            continue
        row = apart(package, family, name)
        row |= {"package": package, "family": family, "network": name}
        done[package, name] = row
        print(package, family, name, row["verdict"], row.get("places", ""), flush=True)
        temporary = options.out.with_suffix(".part")
        with temporary.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(done.values())
        temporary.replace(options.out)
    for package in dict.fromkeys(package for package, _ in done):
        rows = [row for (one, _), row in done.items() if one == package]
        print(package, dict(Counter(row["verdict"] for row in rows)))


if __name__ == "__main__":
    main()
