"""The network inside wrappers that change how it runs, not what it computes."""

from torch import nn
from torch.nn.parallel import DistributedDataParallel


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the network inside a compiled or parallel module; any other module as it is.

    A compiled module may not call hooks that are registered later, ``DataParallel`` runs replicas
    in threads of their own, and ``DistributedDataParallel`` waits for the other processes.
    """
    return _unwrap(model)[1]


def without_wrappers(name: str, model: nn.Module) -> str:
    """Return the name of a module in the network, given its name in the wrapped model."""
    return name.removeprefix(_unwrap(model)[0])


def _unwrap(model: nn.Module) -> tuple[str, nn.Module]:
    """Return the prefix of names in the wrapped model, and the network."""
    prefix = ""
    while True:
        if isinstance(model, nn.DataParallel | DistributedDataParallel):
            prefix, model = f"{prefix}module.", model.module
        elif isinstance(compiled := getattr(model, "_orig_mod", None), nn.Module):
            prefix, model = f"{prefix}_orig_mod.", compiled
        else:
            return prefix, model
