"""Observe the modules of a model, and leave it as it was."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

Observer = Callable[[str, int, Any], Any]
"""Called with the module's name, the number of its earlier runs, and its input or output.

If it returns a value other than None, the model continues with that value instead."""


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every submodule in evaluation mode, and restore its mode afterwards.

    The flags are set directly: ``model.eval()`` would call ``train`` methods that users override,
    and ``model.train()`` would unfreeze submodules that were in evaluation mode.
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, training in modes:
            module.training = training


@contextmanager
def observed(
    outputs: Mapping[str, nn.Module], inputs: Mapping[str, nn.Module], observe: Observer
) -> Iterator[None]:
    """Call ``observe`` when one of ``outputs`` returns, and when one of ``inputs`` is called.

    The names of ``inputs`` are passed with ``:input`` appended.
    """
    runs: dict[str, int] = {}
    handles: list[RemovableHandle] = []

    def count(name: str) -> int:
        runs[name] = runs.get(name, 0) + 1
        return runs[name] - 1

    def after(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        return lambda _module, _arguments, output: observe(name, count(name), output)

    def before(name: str) -> Callable[[nn.Module, Any], Any]:
        name = f"{name}:input"
        return lambda _module, arguments: observe(name, count(name), arguments)

    try:
        for name, module in inputs.items():
            handles.append(module.register_forward_pre_hook(before(name)))
        for name, module in outputs.items():
            handles.append(module.register_forward_hook(after(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()
