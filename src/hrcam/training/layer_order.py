"""In which order the layers of a network run, and which of them are its head."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hrcam.model.hooks import evaluation_mode, observed
from hrcam.model.tensors import tensors_in


@dataclass(frozen=True)
class LayerOrder:
    """The layers of a network, which are the modules with tensors of their own, as they run.

    Attributes
    ----------
    layers
        Names of the layers, by when they are first called. One that is never called is placed with
        the module that holds it.
    first
        The first layer with weights: what depends on the number of image channels.
    head
        The layers after the last feature map, and at least the last layer: what depends on the
        classes.
    """

    layers: tuple[str, ...]
    first: str
    head: tuple[str, ...]

    @classmethod
    def of(cls, network: nn.Module, image_shape: Iterable[int]) -> "LayerOrder":
        """Run a network once.

        Parameters
        ----------
        network
            Left as it was.
        image_shape
            Channels and grid of its images.
        """
        modules = dict(network.named_modules())
        begun: dict[str, int] = {}
        time, last_map = 0, 0

        def observe(name: str, _run: int, value: Any) -> None:
            nonlocal time, last_map
            time += 1
            if name.endswith(":input"):
                begun.setdefault(name.removesuffix(":input"), time)
            elif any(tensor.ndim > 2 for tensor in tensors_in(value)):
                last_map = time

        with torch.no_grad(), evaluation_mode(network), observed(modules, modules, observe):
            network(torch.zeros(1, *image_shape))

        def start(name: str) -> int:
            while name not in begun:
                name = name.rpartition(".")[0]
            return begun[name]

        own = (name for name, module in modules.items() if _has_tensors(module))
        layers = sorted(own, key=start)  # stable: equal ones stay in their order of definition
        head = [name for name in layers if start(name) > last_map] or layers[-1:]
        first = next(name for name in layers if _has_weights(modules[name]))
        return cls(tuple(layers), first, tuple(head))

    def is_in_head(self, tensor: str) -> bool:
        """Tell whether a parameter or buffer, by its name, belongs to the head."""
        return layer_of(tensor) in self.head


def layer_of(tensor: str) -> str:
    """Return the name of the module that has a parameter or buffer."""
    return tensor.rpartition(".")[0]


def _has_tensors(module: nn.Module) -> bool:
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return len(own) > 0


def _has_weights(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return torch.is_tensor(weight) and weight.ndim > 1
