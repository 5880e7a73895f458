"""A registry of networks, common and awkward, that every explainer has to cope with.

Networks have random weights: what the tests hold is arithmetic, which needs no training. Sizes
are odd on purpose, so that no stride divides them.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from hrcam.model.call import Images, call_model

CLASSES = 3


def synthetic_images(number: int, channels: int, size: tuple[int, ...]) -> torch.Tensor:
    """Return smooth random images that differ in contrast and brightness, (B, C, *size)."""
    generator = torch.Generator().manual_seed(number + sum(size))
    coarse = torch.randn(number, channels, *(5 for _ in size), generator=generator)
    mode = {1: "linear", 2: "bilinear", 3: "trilinear"}[len(size)]
    smooth = F.interpolate(coarse, size=size, mode=mode)
    one_each = (number, 1, *(1 for _ in size))
    contrast = 0.5 + 1.5 * torch.rand(one_each, generator=generator)
    brightness = torch.randn(one_each, generator=generator)
    noise = 0.3 * torch.randn(number, channels, *size, generator=generator)
    return contrast * (smooth + noise) + brightness


def labels_for(number: int) -> torch.Tensor:
    return torch.arange(number) % CLASSES


@dataclass(frozen=True)
class Architecture:
    """How to make a network and a batch for it, and what is special about reading it."""

    name: str
    make: Callable[[], nn.Module]
    size: tuple[int, ...]
    channels: int = 1
    wrap: Callable[[torch.Tensor], Images] = lambda images: images
    output: str | int | None = None
    dtype: torch.dtype = torch.float32

    def model(self) -> nn.Module:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            model = self.make().to(self.dtype)
            norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
            for norm in norms:
                norm.momentum = 1.0
            if norms:  # batch statistics of real activations, as training leaves them
                call_model(model.train(), self.images(8))
        return model.eval()

    def images(self, number: int) -> Images:
        return self.wrap(synthetic_images(number, self.channels, self.size).to(self.dtype))


# --- hand-made networks -----------------------------------------------------------------------


def conv(dims: int) -> type[nn.Module]:
    return (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]


def global_mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.flatten(2).mean(-1)


class GlobalMean(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return global_mean(maps)


def simple(
    dims: int = 2,
    widths: tuple[int, ...] = (6, 8, 10),
    outputs: int = CLASSES,
    inplace: bool = False,
    norm: Callable[[int], nn.Module] | None = None,
) -> nn.Sequential:
    """Return the plainest CNN: convolutions of stride 2, global mean, linear."""
    layers: list[nn.Module] = []
    before = 1
    for width in widths:
        layers.append(conv(dims)(before, width, 3, stride=2, padding=1))
        if norm is not None:
            layers.append(norm(width))
        layers.append(nn.ReLU(inplace=inplace))
        before = width
    return nn.Sequential(*layers, GlobalMean(), nn.Linear(before, outputs))


def valid_convolutions() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 5), nn.ReLU(), nn.Conv2d(6, 6, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU(),
        GlobalMean(), nn.Linear(8, CLASSES),
    )  # fmt: skip


def anisotropic() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(1, 4, 3, stride=(1, 2, 2), padding=1), nn.ReLU(),
        nn.Conv3d(4, 6, (1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)), nn.ReLU(),
        nn.Conv3d(6, 8, 3, stride=2, padding=1), nn.ReLU(),
        GlobalMean(), nn.Linear(8, CLASSES),
    )  # fmt: skip


class PreActivationBlock(nn.Module):
    """Starts by overwriting what the block before it returned."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.relu = nn.ReLU(inplace=True)
        self.conv = nn.Conv2d(before, after, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(after)
        self.skip = nn.Conv2d(before, after, 1, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.relu(x)
        x, skip = self.conv(x), self.skip(x)
        x = self.norm(x)
        x += skip
        return x


def pre_activation() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), PreActivationBlock(6, 8), PreActivationBlock(8, 10),
        nn.ReLU(inplace=True), GlobalMean(), nn.Linear(10, CLASSES),
    )  # fmt: skip


class SharedModule(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 3, padding=1)
        self.shared = nn.Conv2d(6, 6, 3, stride=2, padding=1)
        self.act = nn.ReLU(inplace=True)
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for _ in range(3):
            x = self.act(self.shared(x))
        return self.fc(global_mean(x))


class Branches(nn.Module):
    """Inception: each concatenation is made in the top forward, and no module returns it."""

    def __init__(self) -> None:
        super().__init__()
        self.narrow1, self.wide1 = nn.Conv2d(1, 4, 1), nn.Conv2d(1, 4, 3, padding=1)
        self.down1 = nn.MaxPool2d(2)
        self.narrow2, self.wide2 = nn.Conv2d(8, 5, 1), nn.Conv2d(8, 5, 3, padding=1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(10, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cat([self.narrow1(x), self.wide1(x)], 1)
        x = self.down1(x)
        x = torch.cat([self.narrow2(x), self.wide2(x)], 1)
        return self.fc(self.pool(x).flatten(1))


class Functional(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = nn.Conv2d(6, 8, 3, padding=1)
        self.conv3 = nn.Conv2d(8, 10, 3, padding=1)
        self.fc = nn.Linear(10, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu_(self.conv2(x)), 2)
        x = F.relu(self.conv3(x), inplace=True)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


@dataclass
class Output(OrderedDict):  # type: ignore[type-arg]
    """A mapping that is a dataclass, as transformers' models return."""

    logits: torch.Tensor
    embedding: torch.Tensor

    def __post_init__(self) -> None:
        self["logits"], self["embedding"] = self.logits, self.embedding


class Returns(nn.Module):
    """A simple network that packs its output."""

    def __init__(self, pack: Callable[[torch.Tensor, torch.Tensor], Any]) -> None:
        super().__init__()
        self.features, self.fc, self.pack = simple()[:-1], nn.Linear(10, CLASSES), pack

    def forward(self, x: torch.Tensor) -> Any:
        embedding = self.features(x)
        return self.pack(self.fc(embedding), embedding)


class TwoArguments(nn.Module):
    """Two images, of different sizes."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 6, 3, padding=1, stride=2)
        self.second = nn.Conv2d(1, 6, 3, padding=1)
        self.both = nn.Conv2d(6, 8, 3, padding=1, stride=2)
        self.fc = nn.Linear(8, CLASSES)

    def forward(self, image: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.first(image))
        x = x + F.interpolate(self.second(other), size=x.shape[2:])
        return self.fc(global_mean(F.relu(self.both(x))))


class Pair(TwoArguments):
    """The same two images as one argument."""

    def forward(self, pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        return super().forward(*pair)


class WithAge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.features, self.fc = simple()[:-1], nn.Linear(11, CLASSES)

    def forward(self, image: torch.Tensor, age: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.cat([self.features(image), age[:, None]], 1))


class TakesBatch(WithAge):
    def forward(self, batch: dict[str, torch.Tensor]) -> torch.Tensor:  # type: ignore[override]
        return super().forward(batch["image"], batch["age"])


def with_small_copy(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return images, images[..., ::2, ::2].contiguous()


def with_age(images: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"image": images, "age": torch.linspace(0, 1, len(images))}


class UNetClassifier(nn.Module):
    """Encoder and decoder with a classification head on the finest map."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU())
        self.down = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1), nn.ReLU())
        self.bottom = nn.Sequential(nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.ReLU())
        self.up1 = nn.Conv2d(20, 8, 3, padding=1)
        self.up2 = nn.Conv2d(12, 4, 3, padding=1)
        self.fc = nn.Linear(4, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        fine = self.enter(x)
        middle = self.down(fine)
        x = F.interpolate(self.bottom(middle), size=middle.shape[2:])
        x = F.relu(self.up1(torch.cat([x, middle], 1)))
        x = F.interpolate(x, size=fine.shape[2:])
        return self.fc(global_mean(F.relu(self.up2(torch.cat([x, fine], 1)))))


class SideBranch(nn.Module):
    """Computes a reconstruction, as for an auxiliary loss, that the output does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.features = simple()[:-2]
        self.side = nn.ConvTranspose2d(10, 5, 4, stride=4)
        self.fc = nn.Linear(10, CLASSES)
        self.reconstruction: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(x)
        self.side(x)
        return self.fc(global_mean(x))


class ChannelsLastBlock(nn.Module):
    """A ConvNeXt block: its layer norm and linear layers see (B, H, W, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.norm = nn.LayerNorm(width)
        self.expand, self.reduce = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + self.reduce(F.gelu(self.expand(y))).permute(0, 3, 1, 2)


def channels_last() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 8, 4, stride=4), ChannelsLastBlock(8),
        nn.Conv2d(8, 16, 2, stride=2), ChannelsLastBlock(16),
        GlobalMean(), nn.Linear(16, CLASSES),
    )  # fmt: skip


class SqueezeExcitation(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width // 2, 1), nn.ReLU(),
            nn.Conv2d(width // 2, width, 1), nn.Sigmoid(),
        )  # fmt: skip

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.gate(x)


def squeeze_excitation() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, stride=2), nn.ReLU(), SqueezeExcitation(6),
        nn.Conv2d(6, 8, 3, padding=1, stride=2), nn.ReLU(), SqueezeExcitation(8),
        GlobalMean(), nn.Linear(8, CLASSES),
    )  # fmt: skip


def dropout() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1, stride=2), nn.ReLU(), nn.Dropout2d(0.5),
        nn.Conv2d(6, 8, 3, padding=1, stride=2), nn.ReLU(), nn.Dropout(0.5, inplace=True),
        GlobalMean(), nn.Dropout(0.5), nn.Linear(8, CLASSES),
    )  # fmt: skip


class OneNumber(nn.Module):
    """Returns shape (B,): one score per image."""

    def __init__(self) -> None:
        super().__init__()
        self.net = simple(outputs=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(x)[:, 0]


# --- the registry -----------------------------------------------------------------------------


def monai(name: str, dims: int) -> nn.Module:
    """A network of MONAI's layers, with fewer and narrower blocks: time goes by width."""
    nets = pytest.importorskip("monai.networks.nets")
    if name.startswith("resnet"):
        block, layers = {
            "resnet10": ("basic", [1, 1, 1, 1]),
            "resnet18": ("basic", [2, 2, 2, 2]),
            "resnet50": ("bottleneck", [2, 1, 1, 1]),
        }[name]
        widths = [8, 16, 32, 64]
        return nets.ResNet(
            block, layers, widths, spatial_dims=dims, n_input_channels=1, num_classes=CLASSES
        )
    if name == "EfficientNetBN":
        blocks = ["r1_k3_s11_e1_i32_o16_se0.25", "r2_k3_s22_e6_i16_o24_se0.25",
                  "r1_k5_s22_e6_i24_o40_se0.25", "r1_k5_s22_e6_i40_o80_se0.25"]  # fmt: skip
        return nets.EfficientNet(
            blocks,
            spatial_dims=dims,
            in_channels=1,
            num_classes=CLASSES,
            width_coefficient=0.25,
            image_size=64,
        )
    if name == "DenseNet":
        return nets.DenseNet(
            dims, 1, CLASSES, init_features=16, growth_rate=8, block_config=(2, 2, 4, 2)
        )
    return _narrow_senet(nets, dims)


def _narrow_senet(nets: Any, dims: int) -> nn.Module:
    class NarrowSENet(nets.SENet):
        def _make_layer(self, block: Any, planes: int, *more: Any, **options: Any) -> nn.Module:
            return super()._make_layer(block, planes // 8, *more, **options)

    network = NarrowSENet(
        dims, 1, "se_resnet_bottleneck", (2, 1, 1, 1), groups=1, reduction=16, dropout_prob=None,
        inplanes=64, input_3x3=False, downsample_kernel_size=1, num_classes=CLASSES,
    )  # fmt: skip
    network.last_linear = nn.Linear(512 // 8 * 4, CLASSES)
    return network


def _monai(name: str, size: tuple[int, ...]) -> Architecture:
    return Architecture(f"{name}_{len(size)}d", lambda: monai(name, len(size)), size)


FROM_MONAI = [
    _monai("resnet10", (97, 131)),
    _monai("resnet10", (25, 35, 27)),
    _monai("resnet18", (65, 43)),
    _monai("resnet18", (17, 25, 19)),
    _monai("resnet50", (49, 35)),
    _monai("resnet50", (17, 19, 17)),
    _monai("DenseNet", (97, 67)),
    _monai("DenseNet", (35, 41, 37)),
    _monai("EfficientNetBN", (97, 131)),
    _monai("EfficientNetBN", (35, 41, 33)),
    _monai("SEResNet50", (65, 43)),
    _monai("SEResNet50", (33, 35, 17)),
]

ODD = (33, 41)
HAND_MADE = [
    Architecture("plain", simple, ODD),
    Architecture("valid_convolutions", valid_convolutions, (37, 45)),
    Architecture("anisotropic_strides", anisotropic, (9, 31, 27)),
    Architecture("inplace_relu", lambda: simple(inplace=True, norm=nn.BatchNorm2d), ODD),
    Architecture("pre_activation_inplace", pre_activation, ODD),
    Architecture("shared_module", SharedModule, ODD),
    Architecture("concatenated_branches", Branches, ODD),
    Architecture("functional", Functional, ODD),
    Architecture("returns_tuple", lambda: Returns(lambda y, e: (y, e)), ODD),
    Architecture("returns_dict", lambda: Returns(lambda y, e: {"e": e, "logits": y}), ODD),
    Architecture("returns_mapping", lambda: Returns(Output), ODD),
    Architecture("returns_other_key", lambda: Returns(lambda y, e: {"e": e, "risk": y}), ODD,
                 output="risk"),
    Architecture("takes_two_arguments", TwoArguments, ODD, wrap=with_small_copy),
    Architecture("takes_pair", Pair, ODD, wrap=with_small_copy),
    Architecture("takes_dict_as_arguments", WithAge, ODD, wrap=with_age),
    Architecture("takes_dict", TakesBatch, ODD, wrap=with_age),
    Architecture("unet_classifier", UNetClassifier, ODD),
    Architecture("side_branch", SideBranch, ODD),
    Architecture("single_logit", lambda: simple(outputs=1), ODD),
    Architecture("single_number", OneNumber, ODD),
    Architecture("one_dimensional", lambda: simple(dims=1), (101,)),
    Architecture("three_dimensional", lambda: simple(dims=3), (17, 21, 15)),
    Architecture("channels_last_blocks", channels_last, (40, 56)),
    Architecture("dropout", dropout, ODD),
    Architecture("squeeze_excitation", squeeze_excitation, ODD),
    Architecture("group_norm", lambda: simple(norm=lambda width: nn.GroupNorm(2, width)), ODD),
    Architecture("instance_norm",
                 lambda: simple(norm=lambda width: nn.InstanceNorm2d(width, affine=True)), ODD),
    Architecture("double_precision", simple, ODD, dtype=torch.float64),
    Architecture("bfloat16", simple, ODD, dtype=torch.bfloat16),
    Architecture("float16", simple, ODD, dtype=torch.float16),
]  # fmt: skip

ARCHITECTURES = {one.name: one for one in [*HAND_MADE, *FROM_MONAI]}
