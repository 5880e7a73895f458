"""A dry run of a model, which records every feature map between its input and its output."""

import itertools
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hrcam.errors import InputError
from hrcam.levels.geometry import FeatureGridTracer, Traced
from hrcam.model.call import Images, call_model, logits_of
from hrcam.model.hooks import evaluation_mode, observed
from hrcam.model.inputs import image_of
from hrcam.model.tensors import map_tensors, tensors_in
from hrcam.model.unchanged import frozen


@dataclass(frozen=True)
class RecordedMap:
    """A tensor of the dry run that may be a feature map.

    Attributes
    ----------
    module, at_input, run, item
        As in `hrcam.levels.level.Level`.
    items
        Number of tensors that the module takes or returns.
    shape
        Of the tensor, for one image.
    node, tensor
        Node of the autograd graph, and ``id`` of the tensor.
    traced
        Where its positions are centred in the image; None if they could not be followed.
    """

    module: str
    at_input: bool
    run: int
    item: int
    items: int
    shape: tuple[int, ...]
    node: Any
    tensor: int
    traced: Traced | None

    @property
    def key(self) -> tuple[str, bool, int, int]:
        """What tells it from the other tensors of the run."""
        return self.module, self.at_input, self.run, self.item


def dry_run(
    model: nn.Module,
    images: Images,
    output: str | int | None = None,
    which: str | int | None = None,
) -> tuple[torch.Tensor, list[RecordedMap]]:
    """Run the first image once, and return what may be feature maps between it and the output.

    The run builds an autograd graph, which tells what the output depends on, but stores no
    activations for it.

    Parameters
    ----------
    model
        Any module; left as it was.
    images
        A batch that the model takes.
    output
        Key or index of the logits, where the model returns several things.
    which
        Key or index of the image to map, where the model takes several.

    Returns
    -------
    The image tensor, and the tensors that were computed from it by a kernel, in the order of
    execution.
    """
    image = image_of(images, which)
    seen: list[RecordedMap] = []
    keep: list[torch.Tensor] = []  # the id() of a live tensor is unique

    def observe(name: str, run: int, value: Any) -> None:
        at_input = name.endswith(":input")
        module = name.removesuffix(":input")
        tensors = list(tensors_in(value))
        for item, tensor in enumerate(tensors):
            if tensor.ndim < 3 or tensor.shape[0] != 1 or not tracer.after_kernel(tensor):
                continue
            keep.append(tensor)
            seen.append(
                RecordedMap(module, at_input, run, item, len(tensors), tuple(tensor.shape),
                      tensor.grad_fn, id(tensor), tracer.of(tensor))
            )  # fmt: skip

    modules = {name: module for name, module in model.named_modules() if name}
    nothing = torch.empty(0)
    tracer = FeatureGridTracer()
    with (
        torch.inference_mode(False),
        torch.set_grad_enabled(has_gradient(model)),
        # Only the structure of the graph is needed: store no activations.
        torch.autograd.graph.saved_tensors_hooks(lambda _tensor: nothing, lambda nothing: nothing),
        evaluation_mode(model),
        frozen(model),
        observed(modules, modules, observe),
    ):
        # Before tracing: torch 2.4 cannot call as_subclass while a dispatch mode is active.
        first, probe, _ = first_image(images, image)
        tracer.begin(probe)
        with tracer:
            returned = call_model(model, first)
        with suppress(InputError):  # without logits, follow every returned tensor
            returned = logits_of(returned, output)
    roots = [tensor.grad_fn for tensor in tensors_in(returned) if tensor.grad_fn is not None]
    if probe.grad_fn is None or not roots:
        return image, seen
    between = _between(probe.grad_fn, roots)
    results = {id(tensor) for tensor in tensors_in(returned)}
    return image, [one for one in seen if one.node in between and one.tensor not in results]


def first_image(
    images: Images, image: torch.Tensor, noise: bool = False
) -> tuple[Images, torch.Tensor, torch.Tensor]:
    """Return a copy of the first image of a batch, and the tensor of it that is mapped.

    With ``noise``, that tensor holds noise of the image's mean and deviation: where an image is
    black, gradients may vanish.

    Returns
    -------
    What to call the model with; the tensor in it that is mapped; and the leaf of the graph that
    the tensor is a copy of, so that the model may write into its input.
    """
    made: list[torch.Tensor] = []

    def first(tensor: torch.Tensor) -> torch.Tensor:
        # Tensor subclasses (MONAI's MetaTensor) cannot be traced.
        one = tensor.detach().as_subclass(torch.Tensor)
        if tensor.ndim > 0 and tensor.shape[0] == image.shape[0]:
            one = one[:1]
        one = one.clone()
        if tensor is image and noise:
            one = _noise_like(one)
        if tensor is image:
            leaf = one.requires_grad_() if one.is_floating_point() else one
            one = leaf.clone()
            made[:] = one, leaf
        return one

    structure = map_tensors(images, first)
    return structure, *made


def _noise_like(image: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    deviation = image.std() if image.numel() > 1 and bool(image.std() > 0) else 1.0
    noise = torch.randn(image.shape, generator=generator).to(image)
    return image.mean() + deviation * noise


def has_gradient(model: nn.Module) -> bool:
    """Whether the model can be part of a graph: parameters made in inference mode cannot."""
    return not any(
        tensor.is_inference() for tensor in itertools.chain(model.parameters(), model.buffers())
    )


def _between(start: Any, ends: Iterable[Any]) -> set[Any]:
    """Return the nodes of the graph on a path from ``start`` to any of ``ends``."""
    users: dict[Any, list[Any]] = {}
    waiting = list(ends)
    known = set(waiting)
    while waiting:
        node = waiting.pop()
        for parent, _ in node.next_functions:
            if parent is None:
                continue
            users.setdefault(parent, []).append(node)
            if parent not in known:
                known.add(parent)
                waiting.append(parent)
    between: set[Any] = set()
    waiting = [start] if start in known else []
    while waiting:
        node = waiting.pop()
        for user in users.get(node, []):
            if user not in between:
                between.add(user)
                waiting.append(user)
    return between
