"""Leave a model as it was: its attributes, its caches and its buffers."""

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from types import CellType, FunctionType, MethodType, ModuleType
from typing import Any

import torch
from torch import nn

# Caches lie in an attribute, a dictionary of dictionaries, or a helper object.
_DEPTH = 6
# Longer containers are data rather than settings: their items are not looked into.
_MANY = 1000
# Loggers, locks and the like belong to the whole process.
_SHARED = frozenset(("torch", *sys.stdlib_module_names))

_ATOMS = frozenset((bool, int, float, str, type(None), torch.Tensor, nn.Parameter))
_CONTAINERS = (dict, list, set, deque, CellType)

Undo = Callable[[], None]

_lock = threading.RLock()
# For each model that runs, by id: the number of calls, and what to do when the last has ended.
_running: dict[int, tuple[int, Undo]] = {}


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Restore what the modules keep between two runs, once the last call in any thread has ended.

    That is attributes, the contents of their dictionaries, lists and closures, and buffers; modes
    and hooks are not touched. A result that a module caches in evaluation mode would be stale after
    the next step of a training.
    """
    with _lock:
        calls, undo = _running.get(id(model)) or (0, _undo(model))
        _running[id(model)] = calls + 1, undo
    try:
        yield
    finally:
        with _lock:
            calls, undo = _running.pop(id(model))
            if calls > 1:
                _running[id(model)] = calls - 1, undo
            else:
                undo()


def _undo(model: nn.Module) -> Undo:
    """Return what puts back all that the model keeps now."""
    modules = list(model.modules())
    kinds = [type(module) for module in modules]
    containers = [_container_undo(one) for one in _containers(modules)]
    buffers = [(buffer, buffer.clone(), _version(buffer)) for buffer in model.buffers()]

    def undo() -> None:
        # A lazy module has become another kind of module, and keeps its new weights.
        if [type(module) for module in modules] == kinds:
            for restore in containers:
                restore()
        for buffer, before, version in buffers:
            if _version(buffer) != version or version is None:
                with torch.inference_mode(buffer.is_inference()), torch.no_grad():
                    buffer.copy_(before)

    return undo


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Record no gradients of the parameters, so that nothing computed from them has a graph."""
    # Parameters made in inference mode have no graph anyway.
    parameters = [one for one in model.parameters() if one.requires_grad and not one.is_inference()]
    try:
        for parameter in parameters:
            parameter.requires_grad = False
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad = True


def _version(buffer: torch.Tensor) -> int | None:
    return None if buffer.is_inference() else buffer._version


def _containers(modules: list[nn.Module]) -> Iterator[Any]:
    """Yield every dictionary, list, set and closure cell that the modules reach, once."""
    # PyTorch's own layers keep nothing but buffers from one run to the next.
    modules = [one for one in modules if not type(one).__module__.startswith("torch.nn.modules")]
    waiting: list[tuple[Any, int]] = [(vars(module), 0) for module in modules]
    classes = {one for module in modules for one in type(module).__mro__}
    waiting += [
        (value, 1)
        for one in classes
        if not one.__module__.startswith(("torch.", "builtins"))
        for name, value in vars(one).items()
        if isinstance(value, FunctionType | dict | list | set) and name != "__annotations__"
    ]
    known: set[int] = set()
    while waiting:
        value, depth = waiting.pop()
        if type(value) in _ATOMS or id(value) in known:
            continue
        known.add(id(value))
        if isinstance(value, _CONTAINERS):
            yield value
        if depth < _DEPTH:
            waiting += [(one, depth + 1) for one in _inside(value)]


def _inside(value: Any) -> list[Any]:
    if isinstance(value, torch.Tensor | nn.Module | ModuleType | type):
        return []
    if isinstance(value, dict) and len(value) <= _MANY:
        # What a user's hooks collect is not the model's.
        return list(_kept(value).values())
    if isinstance(value, list | tuple | set | deque):
        return list(value) if len(value) <= _MANY else []
    if isinstance(value, CellType):
        return _contents(value)
    if isinstance(value, FunctionType):
        return list(value.__closure__ or ())
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if type(value).__module__.split(".")[0] in _SHARED:
        return []
    return [getattr(value, "__dict__", None)]


def _contents(cell: CellType) -> list[Any]:
    try:
        return [cell.cell_contents]
    except ValueError:  # empty
        return []


def _container_undo(container: Any) -> Undo:
    """Return what puts the container's present contents back."""
    if isinstance(container, CellType):
        return partial(_restore_cell, container, _contents(container))
    if isinstance(container, dict):
        return partial(_restore_dictionary, container, _kept(container))
    return partial(_restore_collection, container, list(container))


def _restore_cell(cell: CellType, before: list[Any]) -> None:
    if before:
        cell.cell_contents = before[0]


def _kept(container: dict[Any, Any]) -> dict[Any, Any]:
    """Return the items that are restored: all but a module's mode and hooks."""
    return {key: one for key, one in container.items() if not _is_mode_or_hook(key)}


def _is_mode_or_hook(key: Any) -> bool:
    return key == "training" or "hook" in str(key)


def _restore_dictionary(container: dict[Any, Any], before: dict[Any, Any]) -> None:
    now = _kept(container)
    if list(now) == list(before) and all(now[key] is before[key] for key in before):
        return
    for key in now:
        del container[key]
    container.update(before)


def _restore_collection(container: Any, before: list[Any]) -> None:
    if list(map(id, container)) == list(map(id, before)):
        return
    container.clear()
    if isinstance(container, set):
        container.update(before)
    else:
        container.extend(before)
