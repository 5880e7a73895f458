"""Networks whose feature maps are not (B, C, *S), or are hard to tell from other tensors.

Each is small, has random weights, and is known by the names and strides of its levels.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 3


@dataclass(frozen=True)
class Awkward:
    """A network, the shape of its images, and its levels: (name, stride) from the coarsest."""

    make: Callable[[], nn.Module]
    shape: tuple[int, ...]
    levels: tuple[tuple[str, float], ...]

    def model(self) -> nn.Module:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return self.make().eval()

    def images(self, number: int = 2) -> torch.Tensor:
        generator = torch.Generator().manual_seed(1)
        return torch.randn(number, *self.shape, generator=generator)


class PatchMerging(nn.Module):
    """Channels-last from the stem on, as in a Swin transformer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(1, 16, 4, 4), nn.LayerNorm(16)
        self.merge, self.norm2 = nn.Linear(64, 32), nn.LayerNorm(32)
        self.fc = nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(self.stem(x).permute(0, 2, 3, 1))
        x = torch.cat([x[:, a::2, b::2] for a in (0, 1) for b in (0, 1)], -1)
        return self.fc(self.norm2(self.merge(x)).mean((1, 2)))


class ChannelNorm(nn.LayerNorm):
    """A layer norm over channels: to channels-last and back."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvFormer(nn.Module):
    """Convolutions that overlap, each followed by a norm over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm1 = nn.Conv2d(1, 8, 7, 4, 2), ChannelNorm(8)
        self.down, self.norm2 = nn.Conv2d(8, 12, 3, 2, 1), ChannelNorm(12)
        self.last, self.norm3 = nn.Conv2d(12, 16, 3, 2, 1), ChannelNorm(16)
        self.fc = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm1(self.stem(x))
        x = self.norm2(self.down(x))
        return self.fc(self.norm3(self.last(x)).mean((2, 3)))


def small_cnn(channels: int = 1, dims: int = 2) -> nn.Sequential:
    conv = nn.Conv2d if dims == 2 else nn.Conv3d
    return nn.Sequential(
        conv(channels, 8, 3, 2, 1), nn.ReLU(), conv(8, 12, 3, 2, 1), nn.ReLU(),
        conv(12, 16, 3, 2, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1) if dims == 2
        else nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(16, CLASSES),
    )  # fmt: skip


class Turned(nn.Module):
    def __init__(self, turn: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.turn, self.net = turn, small_cnn()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.net(self.turn(x))


class Attention(nn.Module):
    """Self-attention whose matrices, (B, heads, N, N), pass through a module."""

    def __init__(self, width: int, heads: int = 2) -> None:
        super().__init__()
        self.heads, self.qkv = heads, nn.Linear(width, 3 * width)
        self.weights, self.out = nn.Softmax(-1), nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, number, width = x.shape
        parts = self.qkv(x).reshape(batch, number, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        query, key, value = parts
        weights = self.weights(query @ key.transpose(-1, -2) / width**0.5)
        return self.out((weights @ value).transpose(1, 2).reshape(batch, number, width))


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width)
        self.norm2 = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.narrow(F.gelu(self.wide(self.norm2(x))))


class VisionTransformer(nn.Module):
    """Tokens (B, P + N, C) with P class and register tokens; without them, their mean is used."""

    def __init__(self, grid: tuple[int, ...], prefix: int, patch: int = 8) -> None:
        super().__init__()
        conv = nn.Conv2d if len(grid) == 2 else nn.Conv3d
        self.prefix, self.patch = prefix, conv(1, 24, patch, patch)
        self.first = nn.Parameter(torch.randn(1, prefix, 24))
        self.place = nn.Parameter(0.02 * torch.randn(1, int(torch.tensor(grid).prod()), 24))
        self.blocks = nn.Sequential(Block(24), Block(24))
        self.norm, self.fc = nn.LayerNorm(24), nn.Linear(24, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2) + self.place
        x = torch.cat([self.first.expand(len(x), -1, -1), x], 1)
        x = self.norm(self.blocks(x))
        return self.fc(x[:, 0] if self.prefix else x.mean(1))


class WindowBlock(nn.Module):
    """Attention within windows that are shifted by a roll, channels-last."""

    def __init__(self, width: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm, self.attention = nn.LayerNorm(width), Attention(width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, height, breadth, width = x.shape
        size = self.window
        y = torch.roll(self.norm(x), (-self.shift, -self.shift), (1, 2))
        y = y.view(batch, height // size, size, breadth // size, size, width).transpose(2, 3)
        y = self.attention(y.reshape(-1, size * size, width))
        y = y.view(batch, height // size, breadth // size, size, size, width).transpose(2, 3)
        y = y.reshape(batch, height, breadth, width)
        return x + torch.roll(y, (self.shift, self.shift), (1, 2))


class Windows(nn.Module):
    """A Swin transformer of two stages."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, 16, 4, 4)
        self.stage1 = nn.Sequential(WindowBlock(16, 4, 0), WindowBlock(16, 4, 2))
        self.merge = nn.Linear(64, 32)
        self.stage2 = nn.Sequential(WindowBlock(32, 4, 0), WindowBlock(32, 4, 2))
        self.fc = nn.Linear(32, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stage1(self.patch(x).permute(0, 2, 3, 1))
        batch, height, width, channels = x.shape
        x = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
        x = self.merge(x.permute(0, 1, 3, 4, 2, 5).flatten(3))
        return self.fc(self.stage2(x).mean((1, 2)))


class PooledVectors(nn.Module):
    """Pooled features as (B, 2, C, 1), and a kernel made from them: neither is a map."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.keep = nn.Conv2d(1, 8, 3, 2, 1), nn.Identity()
        self.kernel, self.fc = nn.Linear(8, 8 * 9), nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu(self.conv(x))
        pooled = self.keep(torch.stack([x.mean((2, 3)), x.amax((2, 3))], 1)[..., None])
        kernel = self.keep(self.kernel(pooled[:, 0, :, 0]).view(len(x), 8, 3, 3))
        return self.fc(pooled.flatten(1)) + kernel.mean((1, 2, 3))[:, None]


class TwoBranches(nn.Module):
    """A second branch that starts from a slice of the image after the first has run."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.slice = nn.Conv2d(1, 8, 3, 2, 1), nn.Identity()
        self.second, self.fc = nn.Conv2d(1, 8, 3, 4, 1), nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = self.first(x[:, :1])
        two = self.second(self.slice(x[:, 1:]))
        return self.fc(torch.cat([one.mean((2, 3)), two.mean((2, 3))], 1))


class AveragedPositions(nn.Module):
    """Tokens as (B, C, N), without a class token."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.mix = nn.Conv2d(1, 24, 8, 8), nn.Conv1d(24, 24, 1)
        self.fc = nn.Linear(24, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.mix(self.patch(x).flatten(2)).mean(-1))


class CachedBias(nn.Module):
    """Adds a bias that it looks up once in evaluation mode, as LeViT does.

    ``train`` empties the attribute; the closure keeps what it has.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 8, 3, 2, 1), nn.Conv2d(8, 12, 3, 2, 1)
        self.biases = nn.Parameter(torch.randn(8, 2))
        self.register_buffer("chosen", torch.tensor([0, 1, 1, 0, 1, 0, 0, 1]))
        self.register_buffer("runs", torch.zeros((), dtype=torch.long))
        self.cache: dict[str, torch.Tensor] = {}
        self.calls, self.lookup = 0, self._closure()
        self.fc = nn.Linear(12, CLASSES)

    def _closure(self) -> Callable[[nn.Parameter, torch.Tensor], torch.Tensor]:
        kept: list[torch.Tensor] = []

        def look_up(biases: nn.Parameter, chosen: torch.Tensor) -> torch.Tensor:
            if not kept:
                kept.append(biases[:, chosen])
            return kept[0]

        return look_up

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        self.runs += 1
        if "bias" not in self.cache:
            self.cache["bias"] = self.biases[:, self.chosen]
        bias = self.cache["bias"] + self.lookup(self.biases, self.chosen)
        x = F.relu(self.conv(x)) + bias.mean(1)[:, None, None]
        return self.fc(self.last(x).mean((2, 3)))


PLAIN = (("net.5", 8.0), ("net.3", 4.0), ("net.1", 2.0))
AWKWARD = {
    "patch_merging": Awkward(PatchMerging, (1, 64, 64), (("norm2", 8), ("norm1", 4))),
    "convformer": Awkward(
        ConvFormer, (1, 64, 96), (("norm3", 16), ("norm2", 8), ("norm1", 4))
    ),
    "transposed": Awkward(lambda: Turned(lambda x: x.transpose(2, 3)), (1, 64, 64), PLAIN),
    "flipped": Awkward(lambda: Turned(lambda x: x.flip(-1)), (1, 48, 64), PLAIN),
    "turned_by_index": Awkward(
        lambda: Turned(lambda x: x[:, :, torch.arange(x.shape[2] - 1, -1, -1)]), (1, 64, 64), PLAIN
    ),
    "windows": Awkward(Windows, (1, 64, 64), (("stage2", 8), ("stage1", 4))),
    "class_and_registers": Awkward(
        lambda: VisionTransformer((6, 9), 5), (1, 48, 72), (("blocks.1.norm1", 8),)
    ),
    "mean_of_tokens": Awkward(lambda: VisionTransformer((8, 8), 0), (1, 64, 64), (("norm", 8),)),
    "tokens_3d": Awkward(
        lambda: VisionTransformer((4, 4, 6), 1), (1, 32, 32, 48), (("blocks.1.norm1", 8),)
    ),
    "channels_then_tokens": Awkward(AveragedPositions, (1, 64, 96), (("mix", 8),)),
    "pooled_vectors": Awkward(PooledVectors, (1, 32, 32), (("conv", 2),)),
    "two_branches": Awkward(TwoBranches, (2, 32, 32), (("second", 4), ("first", 2))),
    "cached_bias": Awkward(CachedBias, (1, 32, 32), (("last", 4), ("last:input", 2))),
}  # fmt: skip
