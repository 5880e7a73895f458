"""A network that a function of the user's makes, named as ``package.module:function``."""

import importlib
import inspect
import re

from torch import nn

from hrcam.errors import InputError, machine_error

_NAME = re.compile(r"(?P<module>[^\W\d]\w*(?:\.[^\W\d]\w*)*):(?P<function>[^\W\d]\w*)")


def network_of_factory(name: str, shape: tuple[int, ...], channels: int, classes: int) -> nn.Module:
    """Import a function, and call it for a network.

    Parameters
    ----------
    name
        ``package.module:function``, of a module that Python can import. The function is called
        as ``function(spatial_dims=2, in_channels=1, num_classes=3)`` and returns an `nn.Module`
        from images (B, in_channels, *spatial) to logits (B, num_classes).
    shape, channels, classes
        Shape of the grid, with 2 or 3 axes; number of image channels; number of logits.

    Raises
    ------
    InputError
        If there is no such module or function, one of them raises, the function does not take
        these arguments, or it returns something else.
    """
    found = _NAME.fullmatch(name)
    if found is None:
        raise InputError(
            f"the network {name!r} is not a name: write your own as package.module:function"
        )
    module_name, function_name = found["module"], found["function"]
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if f"{module_name}.".startswith(f"{error.name}."):
            raise InputError(
                f"the network {name} is not there, as Python finds no module {error.name}: install "
                "its package, or put the folder that holds it on PYTHONPATH"
            ) from error
        raise InputError(
            f"the network {name} needs {error.name}, which is not installed: install it"
        ) from error
    except Exception as error:
        raise InputError(
            f"the module of the network {name} raised {type(error).__name__} on import: {error}"
        ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InputError(
            f"the network {name} is not there: {module.__file__} has no function {function_name}"
        )
    arguments = {"spatial_dims": len(shape), "in_channels": channels, "num_classes": classes}
    try:
        inspect.signature(function).bind(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} cannot be called with {', '.join(arguments)} by keyword ({error}): it must "
            "take these three"
        ) from error
    try:
        network = function(**arguments)
    except Exception as error:
        if machine_error(error) is not None:
            raise
        raise InputError(
            f"the function {name} raised {type(error).__name__}: {error}; it was called with "
            f"{', '.join(f'{key}={value}' for key, value in arguments.items())}"
        ) from error
    if not isinstance(network, nn.Module):
        raise InputError(
            f"{name} returned {type(network).__name__}: it must return a torch.nn.Module"
        )
    return network
