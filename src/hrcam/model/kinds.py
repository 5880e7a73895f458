"""Kinds of models whose modules do not run, or run on other tensors, so that no map is seen."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import fx, nn

from hrcam.errors import LevelError

_QUANTISED = ("torch.ao.nn.quantized", "torch.nn.quantized", "torch.ao.nn.intrinsic.quantized")


def check_readable(model: nn.Module) -> None:
    """Check that the model's modules can be observed.

    Raises
    ------
    LevelError
        If the model is compiled to TorchScript, traced, exported, or statically quantised.
    """
    for name, module in model.named_modules():
        where = f"its module {name!r} is" if name else "it is"
        if isinstance(module, torch.jit.ScriptModule):
            traced = "trace" if "Traced" in type(module).__name__ else "script"
            raise LevelError(
                f"no feature map of the model can be read: {where} compiled by torch.jit.{traced}, "
                "and calls none of its Python modules; pass the nn.Module that it was made from, "
                "and load its weights, e.g. model.load_state_dict(scripted.state_dict())"
            )
        if isinstance(module, fx.GraphModule) and _is_exported(module):
            raise LevelError(
                f"no feature map of the model can be read: {where} the graph of a torch.export, "
                "whose operations belong to no module; pass the nn.Module that was exported, and "
                "load its weights, e.g. model.load_state_dict(exported.state_dict)"
            )
        if type(module).__module__.startswith(_QUANTISED) and "dynamic" not in str(type(module)):
            raise LevelError(
                f"no feature map of the model can be read: {where} statically quantised "
                f"({type(module).__name__}), and its maps are integers; pass the model in floating "
                "point from which it was quantised"
            )


def _is_exported(module: fx.GraphModule) -> bool:
    return any(isinstance(node.target, torch._ops.OpOverload) for node in module.graph.nodes)


@contextmanager
def uncompiled(model: nn.Module) -> Iterator[None]:
    """Run a model, or parts of it, without ``torch.compile``: compiled code calls no hooks."""
    if not any(
        type(module).__name__ == "OptimizedModule"
        or getattr(module, "_compiled_call_impl", None) is not None
        for module in model.modules()
    ):
        yield
        return
    with torch.compiler.set_stance("force_eager"):
        yield
