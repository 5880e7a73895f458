"""A model whose parameters are randomised from the output to the input, on a copy of it."""

import copy
import itertools
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from hrcam.errors import InputError
from hrcam.evaluation.draws import check_seed
from hrcam.evaluation.methods import check_batch
from hrcam.model.call import call_model
from hrcam.model.hooks import evaluation_mode, observed


def modules_from_output(model: nn.Module, images: torch.Tensor) -> list[str]:
    """Find the modules that hold something learnt, in the order from the output to the input.

    The order is that in which they return in a run of the model, from the last to the first. A
    module whose parameters are used without calling it counts with the module around it.

    Parameters
    ----------
    model
        Left as it was.
    images
        Shape (B, C, *spatial).

    Returns
    -------
    Names of modules with parameters or running statistics of their own.

    Raises
    ------
    InputError
        If there is none, or the images cannot be used.
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
    """Randomise a copy of the model, stage by stage, from the output to the input.

    Layers are initialised anew as their ``reset_parameters`` does it; parameters of other modules
    are drawn from a normal distribution of the same root mean square. Everything that an earlier
    stage randomised stays so: the last stage leaves nothing learnt.

    Parameters
    ----------
    model
        Never touched.
    images
        From which the order of the modules and, if asked for, the running statistics are found,
        shape (B, C, *spatial).
    stages
        At most so many; each takes about as many modules.
    seed
        Of the new parameters.
    reestimate
        Measure the running statistics of randomised normalisation layers anew on the images. With
        the statistics of an untrained layer (mean 0, variance 1) the activations of a deep network
        soon vanish or explode, and every map changes for that alone.

    Yields
    ------
    Names of the modules of the stage, and the copy in evaluation mode: first as it is, without
    names, then after each stage. It is one copy for all, so use it before asking for the next.

    Raises
    ------
    InputError
        If the images or an option cannot be used, or the model has no parameters.
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
    # That of a container might reach into modules whose turn has not come.
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
        norm.momentum = None  # the mean over all runs of the layer
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
    """Seed the global generators, which ``reset_parameters`` draws from, and put them back."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
