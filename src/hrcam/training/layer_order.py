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
    trained_with_head
        All modules that are in training mode where the head alone is trained: those of the head,
        others beside them such as dropout, and those that hold them.
    """

    layers: tuple[str, ...]
    first: str
    head: tuple[str, ...]
    trained_with_head: frozenset[str]

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
        late = {name for name in modules if start(name) > last_map} | set(head)
        holders = {name for name in modules if any(_is_within(layer, name) for layer in head)}
        return cls(tuple(layers), first, tuple(head), frozenset(late | holders))

    def is_in_head(self, tensor: str) -> bool:
        """Tell whether a parameter or buffer, by its name, belongs to the head."""
        return layer_of(tensor) in self.head

    def blocks(self, network: nn.Module) -> list[list[str]]:
        """Return the layers by block, as they run.

        A block is a child of the network, or of one of its children that is an `nn.Sequential` or
        `nn.ModuleList`; of a network with one child, these are the child's. One that has no
        matrices of weights, such as a norm, belongs to the block before, and parameters of the
        network itself to the first.

        Parameters
        ----------
        network
            The one that the order is of.
        """
        by_unit: dict[str, list[str]] = {}
        outside = []
        units = _units(network)
        for layer in self.layers:
            unit = next((unit for unit in units if _is_within(layer, unit)), None)
            if unit is None:
                outside.append(layer)
            else:
                by_unit.setdefault(unit, []).append(layer)
        blocks: list[list[str]] = []
        for unit, layers in by_unit.items():
            if blocks and not _has_matrices(network.get_submodule(unit)):
                blocks[-1] += layers
            else:
                blocks.append(layers)
        return [outside + blocks[0], *blocks[1:]] if blocks else [outside]


def layer_of(tensor: str) -> str:
    """Return the name of the module that has a parameter or buffer."""
    return tensor.rpartition(".")[0]


def _has_tensors(module: nn.Module) -> bool:
    own = (*module.parameters(recurse=False), *module.buffers(recurse=False))
    return len(own) > 0


def _has_weights(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return torch.is_tensor(weight) and weight.ndim > 1


def _has_matrices(module: nn.Module) -> bool:
    return any(parameter.ndim > 1 for parameter in module.parameters())


def _is_within(name: str, holder: str) -> bool:
    """Tell whether a module is another, or lies in it."""
    return not holder or f"{name}.".startswith(f"{holder}.")


def _units(network: nn.Module) -> list[str]:
    """Return the names of the children that may be blocks; see `LayerOrder.blocks`."""
    children = _children("", network)
    while len(children) == 1 and (inner := _children(*children[0])):
        children = inner
    units: list[str] = []
    for name, module in children:
        inner = _children(name, module) if isinstance(module, nn.Sequential | nn.ModuleList) else []
        units += [one for one, _ in inner] or [name]
    return units


def _children(name: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    """Return the children of a module that have tensors, with their names in the network."""
    return [
        (f"{name}.{child}".removeprefix("."), one)
        for child, one in module.named_children()
        if any(map(_has_tensors, one.modules()))
    ]
