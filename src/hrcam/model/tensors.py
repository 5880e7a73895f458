"""Tensors in nested tuples, lists and mappings, and their precision."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch


def tensors_in(value: Any) -> Iterator[torch.Tensor]:
    """Yield every tensor of a nested structure, in a fixed order."""
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)


def map_tensors(value: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return the same structure with ``change`` applied to each tensor, in the same order."""
    if isinstance(value, torch.Tensor):
        return change(value)
    if isinstance(value, Mapping):
        changed = {key: map_tensors(item, change) for key, item in value.items()}
        try:
            return type(value)(changed)  # type: ignore[call-arg]
        except TypeError:  # a mapping with a constructor of its own
            return changed
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(map_tensors(item, change) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(map_tensors(item, change) for item in value)
    return value


def at_least_single(tensor: torch.Tensor) -> torch.Tensor:
    """Return a half-precision tensor in single precision, and any other as it is."""
    return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
