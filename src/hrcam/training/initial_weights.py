"""Start a network from the weights of a file: names that are made to fit, and what fitted."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from hrcam.errors import InputError
from hrcam.training.layer_order import LayerOrder, layer_of
from hrcam.training.weights_file import read_tensors

Tensors = Mapping[str, torch.Tensor]

# What wrappers put in front of the names of a network.
_PREFIX = re.compile(r"(?:_orig_mod|module|model|network|net|backbone|encoder|features)\.")
# Batch norms of old files have none; no output depends on it in evaluation mode.
_COUNTER = "num_batches_tracked"
_FEW = 5  # names in a message


@dataclass(frozen=True)
class InitialWeights:
    """What a network has from a file.

    Attributes
    ----------
    file, sha256
        Name of the file, without its folder, and its hash.
    fitted, tensors
        How many of the tensors of the network are from the file, and how many it has.
    first_layer
        How the first layer was made for another number of channels; None if it was not.
    random
        Layers that keep random weights.
    unused
        Names of tensors of the file that the network has no place for.
    """

    file: str
    sha256: str
    fitted: int
    tensors: int
    first_layer: str | None
    random: tuple[str, ...]
    unused: tuple[str, ...]

    def __str__(self) -> str:
        """Say in one line what is from the file, and what is not."""
        parts = [f"{self.fitted} of the network's {self.tensors} tensors are from {self.file}"]
        if self.first_layer:
            parts.append(self.first_layer)
        if self.random:
            parts.append(f"random: {_listed(self.random)}")
        if self.unused:
            parts.append(f"not used of the file: {_listed(self.unused)}")
        return "; ".join(parts)


def start_from(
    network: nn.Module, path: Path, image_shape: tuple[int, ...], name: str
) -> InitialWeights:
    """Give a network the tensors of a file.

    Every layer must be in the file, but for the head. A first layer for another number of channels
    is summed over them and divided equally among those of the images, so that images whose
    channels are all the same lead to the same features. A convolution that has no bias in the file
    gets a bias of zero.

    Parameters
    ----------
    network
        The network, with random weights.
    path
        A file as for `hrcam.training.weights_file.read_tensors`. Names may have the prefixes of
        wrappers ("module.", "model.", "backbone." ...), or number the children of the network.
    image_shape
        Channels and grid of the images.
    name
        What messages call the network.

    Raises
    ------
    InputError
        If the file cannot be read, or is of another network.
    """
    found = read_tensors(path)
    order = LayerOrder.of(network, image_shape)
    wanted = network.state_dict()
    children = [child for child, _ in network.named_children()]
    names = _best_names(found, wanted, children)
    named = {new: found[old] for new, old in names.items()}
    fitting = {
        key: named[key]
        for key, tensor in wanted.items()
        if key in named and named[key].shape == tensor.shape
    }
    first = f"{order.first}.weight"
    first_layer = None
    if first not in fitting and _differ_in_channels(named.get(first), wanted[first]):
        before, now = named[first].shape[1], wanted[first].shape[1]
        fitting[first] = (named[first].sum(1, keepdim=True) / now).expand_as(wanted[first])
        first_layer = f"{order.first} was made for {now} in place of {before} channels"
    fitting |= _absent_biases(network, fitting, named)
    missing = [key for key in wanted if key not in fitting and not key.endswith(_COUNTER)]
    misfits = [key for key in missing if not order.is_in_head(key)]
    if misfits or not fitting:
        raise _of_another_network(path, name, misfits or missing, wanted, named)
    network.load_state_dict(fitting, strict=False)
    used = {names[key] for key in fitting if key in names}
    return InitialWeights(
        file=path.name,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        fitted=_count(fitting),
        tensors=_count(wanted),
        first_layer=first_layer,
        random=tuple(dict.fromkeys(map(layer_of, missing))),
        unused=tuple(key for key in found if key not in used and not key.endswith(_COUNTER)),
    )


def _best_names(found: Tensors, wanted: Tensors, children: Sequence[str]) -> dict[str, str]:
    """Return the names of the file by those of the network, in the way that fits most tensors."""

    def fits(names: Mapping[str, str]) -> int:
        return sum(
            new in wanted and wanted[new].shape == found[old].shape for new, old in names.items()
        )

    return max(_namings(found, children), key=fits)


def _namings(found: Iterable[str], children: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the names of the file without a prefix, and with children's names for their numbers."""
    names = list(found)
    for prefix in _prefixes(names):
        bare = {name.removeprefix(prefix): name for name in names if name.startswith(prefix)}
        yield bare
        # A network cut into a sequence of its children counts them.
        by_number = {}
        for new, old in bare.items():
            number, _, rest = new.partition(".")
            if number.isdecimal() and int(number) < len(children):
                by_number[f"{children[int(number)]}.{rest}"] = old
        yield by_number


def _prefixes(names: Iterable[str]) -> list[str]:
    found = {""}
    for name in names:
        end = 0
        while match := _PREFIX.match(name, end):
            end = match.end()
            found.add(name[:end])
    return sorted(found, key=lambda prefix: (len(prefix), prefix))


def _differ_in_channels(given: torch.Tensor | None, wanted: torch.Tensor) -> bool:
    if given is None or given.ndim != wanted.ndim or wanted.ndim < 3:
        return False
    return given.shape[0] == wanted.shape[0] and given.shape[2:] == wanted.shape[2:]


def _absent_biases(network: nn.Module, fitting: Tensors, named: Tensors) -> dict[str, torch.Tensor]:
    """Return zeros for the biases of convolutions that have none in the file."""
    return {
        f"{layer}.bias": torch.zeros_like(module.bias)
        for layer, module in network.named_modules()
        if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d)
        and module.bias is not None
        and f"{layer}.weight" in fitting
        and f"{layer}.bias" not in named
    }


def _of_another_network(
    path: Path, name: str, misfits: Sequence[str], wanted: Tensors, named: Tensors
) -> InputError:
    key = misfits[0]
    if key in named:
        shapes = tuple(named[key].shape), tuple(wanted[key].shape)
        first = f"{key} has the shape {shapes[0]}, not {shapes[1]}"
    else:
        first = f"{key} is missing, and the file has {_listed(list(named))}"
    advice = "give the file of the same network"
    if all(".downsample." in one for one in misfits):
        advice = "its shortcuts have no convolutions: see the networks medicalnet-resnet18 and -34"
    return InputError(
        f"{path} does not hold the weights of {name}: {len(misfits)} of its {_count(wanted)} "
        f"tensors are missing or have another shape ({first}); {advice}"
    )


def _count(tensors: Iterable[str]) -> int:
    return sum(not key.endswith(_COUNTER) for key in tensors)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _FEW} more" if len(names) > _FEW else ""
    return ", ".join(names[:_FEW]) + more
