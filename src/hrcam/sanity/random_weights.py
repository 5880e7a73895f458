"""Cascading randomisation of a model's parameters, from the output to the input."""

import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from hrcam.errors import InputError
from hrcam.evaluation.checked_inputs import check_batch
from hrcam.evaluation.random_numbers import check_seed
from hrcam.model.call import call_model
from hrcam.model.hooks import evaluation_mode, observed


def modules_from_output(model: nn.Module, images: torch.Tensor) -> list[str]:
    """Return the modules with parameters or statistics, in order from the output to the input.

    The order is the reverse of that in which they return in a forward pass. A module whose
    parameters are used without a call has the position of its parent.

    Parameters
    ----------
    model
        Model; not modified.
    images
        Shape (B, C, *spatial).

    Returns
    -------
    Names of modules with parameters or running statistics of their own.

    Raises
    ------
    InputError
        If there is none, or the images are invalid.
    """
    check_batch(images, model)
    modules = dict(model.named_modules())
    returned: dict[str, int] = {}
    clock = itertools.count()

    def note(name: str, _run: int, _output: object) -> None:
        returned[name] = next(clock)

    def last_return(name: str) -> int:
        while name not in returned:
            name = name.rpartition(".")[0]
        return returned[name]

    with evaluation_mode(model), observed(modules, {}, note), torch.no_grad():
        call_model(model, images[:1])
    learnt = [name for name, module in modules.items() if _has_learnt(module)]
    if not learnt:
        raise InputError("the model has no parameters: there is nothing to randomise")
    return sorted(learnt, key=last_return, reverse=True)


def randomised_stages(
    model: nn.Module,
    images: torch.Tensor,
    *,
    stages: int = 10,
    seed: int = 0,
    reestimate: bool = True,
) -> Iterator[tuple[tuple[str, ...], nn.Module]]:
    """Randomise a copy of the model in stages, from the output to the input.

    Layers are initialised by their ``reset_parameters``; parameters of other modules are drawn from
    a normal distribution with the same root mean square. Stages are cumulative: the last one has
    randomised all parameters.

    Parameters
    ----------
    model
        Model; not modified.
    images
        Images that determine the order of modules and the running statistics, shape
        (B, C, *spatial).
    stages
        Largest number of stages, of about equal numbers of modules.
    seed
        Random seed of the parameters.
    reestimate
        Estimate the running statistics of randomised normalisation layers on the images. With the
        initial statistics (mean 0, variance 1), activations of a deep network vanish or explode,
        which alone would change every map.

    Yields
    ------
    Names of the modules of the stage, and the copy in evaluation mode: first unchanged, without
    names, then after each stage. All stages share one copy, so use it before the next iteration.

    Raises
    ------
    InputError
        If the images or an option are invalid, or the model has no parameters.
    """
    if not isinstance(stages, int) or stages < 1:
        raise InputError(f"stages is {stages!r}: it is a whole number, 1 or more")
    check_seed(seed)
    names = modules_from_output(model, images)
    randomised = copy.deepcopy(model)
    for module in randomised.modules():
        module.training = False
    modules = dict(randomised.named_modules())
    yield (), randomised
    done: list[nn.Module] = []
    parts = np.array_split(np.arange(len(names)), min(stages, len(names)))
    for stage, part in enumerate(parts):
        chosen = [names[index] for index in part]
        with _seeded(seed + stage), torch.no_grad():
            for name in chosen:
                _initialise(modules[name])
                done.append(modules[name])
            if reestimate:
                _estimate_statistics(randomised, done, images)
        yield tuple(chosen), randomised


def _has_learnt(module: nn.Module) -> bool:
    return any(True for _ in module.parameters(recurse=False)) or _has_statistics(module)


def _has_statistics(module: nn.Module) -> bool:
    return isinstance(module, _NormBase) and module.running_mean is not None


def _initialise(module: nn.Module) -> None:
    reset = getattr(module, "reset_parameters", None)
    # Only of leaf modules: a container would also reset modules of later stages.
    if callable(reset) and not any(True for _ in module.children()):
        reset()
        return
    for parameter in module.parameters(recurse=False):
        scale = parameter.square().mean().sqrt()
        parameter.copy_(torch.randn_like(parameter) * scale)


def _estimate_statistics(
    model: nn.Module, randomised: list[nn.Module], images: torch.Tensor
) -> None:
    norms = [m for m in randomised if isinstance(m, _NormBase) and m.running_mean is not None]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
        norm.training = True
    try:
        call_model(model, images)
    except ValueError as error:
        raise InputError(
            f"running statistics cannot be estimated on {len(images)} images ({error}): pass more "
            "images, or reestimate=False"
        ) from error
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
        norm.training = False


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed the global generators, which ``reset_parameters`` uses, and restore them."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
