"""Observe the modules of a model, and leave it as it was.

Hooks and the mode belong to the modules, which all threads share. Hooks act in the thread that
registers them, and a module stays in evaluation mode until the last call that needs it has ended.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.utils.hooks import RemovableHandle

from hrcam.model.unchanged import restored

Observer = Callable[[str, int, Any], Any]
"""Called with the module's name, the number of its earlier runs, and its input or output.

If it returns a value other than None, the model continues with that value instead."""

_lock = threading.Lock()
# For each module in training that is held in evaluation mode, by id: the number of calls that
# hold it. They keep it alive.
_holds: dict[int, int] = {}


@contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Put every submodule in evaluation mode, and leave the model as it was afterwards.

    Besides the modes, what the modules keep between two runs is restored: see ``restored``.

    The flags are set directly: ``model.eval()`` would call ``train`` methods that users override,
    and ``model.train()`` would unfreeze submodules that were in evaluation mode. A module that is
    in evaluation mode is not touched. One in training returns to it when the last of several calls
    in several threads has ended; until then it is in evaluation mode for every thread.
    """
    held: list[nn.Module] = []
    try:
        with _lock:
            for module in model.modules():
                if module.training or id(module) in _holds:
                    held.append(module)
                    _holds[id(module)] = _holds.get(id(module), 0) + 1
                    module.training = False
        with restored(model):
            yield
    finally:
        with _lock:
            for module in held:
                _holds[id(module)] -= 1
                if not _holds[id(module)]:
                    del _holds[id(module)]
                    module.training = True


@contextmanager
def observed(
    outputs: Mapping[str, nn.Module], inputs: Mapping[str, nn.Module], observe: Observer
) -> Iterator[None]:
    """Call ``observe`` when one of ``outputs`` returns, and when one of ``inputs`` is called.

    The names of ``inputs`` are passed with ``:input`` appended. Runs of the modules in other
    threads are not observed.
    """
    thread = threading.get_ident()
    runs: dict[str, int] = {}
    handles: list[RemovableHandle] = []

    def seen(name: str, value: Any) -> Any:
        if threading.get_ident() != thread:
            return None
        run = runs.get(name, 0)
        runs[name] = run + 1
        return observe(name, run, value)

    def after(name: str) -> Callable[[nn.Module, Any, Any], Any]:
        return lambda _module, _arguments, output: seen(name, output)

    def before(name: str) -> Callable[[nn.Module, Any], Any]:
        name = f"{name}:input"
        return lambda _module, arguments: seen(name, arguments)

    try:
        with _lock:  # torch numbers hooks without a lock: two threads could get one number
            for name, module in inputs.items():
                handles.append(module.register_forward_pre_hook(before(name)))
            for name, module in outputs.items():
                handles.append(module.register_forward_hook(after(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()
