"""A dry run of a model, which records every feature map between its input and its output."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from hrcam.errors import InputError
from hrcam.levels.geometry import FeatureGrid, FeatureGridTracer
from hrcam.model.call import Images, call_model, logits_of
from hrcam.model.hooks import evaluation_mode, observed
from hrcam.model.inputs import image_of
from hrcam.model.tensors import map_tensors, tensors_in


@dataclass(frozen=True)
class RecordedMap:
    """A feature map of the dry run.

    Attributes
    ----------
    module, at_input, run, item
        As in `hrcam.levels.level.Level`.
    items
        Number of tensors that the module takes or returns.
    shape
        (1, C_l, *S_l).
    node, tensor
        Node of the autograd graph, and ``id`` of the tensor.
    after_kernel
        Whether a convolution ran before.
    feature_grid
        Where its positions are centred in the image; None if unknown.
    """

    module: str
    at_input: bool
    run: int
    item: int
    items: int
    shape: tuple[int, ...]
    node: Any
    tensor: int
    after_kernel: bool
    feature_grid: FeatureGrid | None

    @property
    def size(self) -> tuple[int, ...]:
        """The spatial size."""
        return self.shape[2:]


def dry_run(
    model: nn.Module, images: Images, output: str | int | None = None
) -> tuple[torch.Tensor, list[RecordedMap]]:
    """Run the first image once, and return the feature maps between it and the output.

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

    Returns
    -------
    The image tensor, and the maps with as many spatial axes, in the order of execution.
    """
    image = image_of(images)
    spatial = image.ndim - 2
    seen: list[RecordedMap] = []
    keep: list[torch.Tensor] = []  # the id() of a live tensor is unique
    kernel_seen = False
    probe: torch.Tensor | None = None

    def first_image(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal probe
        # Tensor subclasses (MONAI's MetaTensor) cannot be traced.
        first = tensor.detach().as_subclass(torch.Tensor)
        if tensor.ndim > 0 and tensor.shape[0] == image.shape[0]:
            first = first[:1]
        first = first.clone()
        if tensor is image and first.is_floating_point():
            # Not a leaf, so that the model may write into its input.
            first = first.requires_grad_().clone()
            probe = first
        if tensor is image:
            tracer.begin(first)
        return first

    def observe(name: str, run: int, value: Any) -> None:
        nonlocal kernel_seen
        at_input = name.endswith(":input")
        module = name.removesuffix(":input")
        if not at_input:
            weights = modules[module].parameters(recurse=False)
            kernel_seen = kernel_seen or any(weight.ndim >= 3 for weight in weights)
        tensors = list(tensors_in(value))
        for item, tensor in enumerate(tensors):
            if tensor.ndim != spatial + 2 or tensor.shape[0] != 1 or tensor is probe:
                continue
            keep.append(tensor)
            seen.append(
                RecordedMap(module, at_input, run, item, len(tensors), tuple(tensor.shape),
                      tensor.grad_fn, id(tensor), kernel_seen, tracer.of(tensor))
            )  # fmt: skip

    modules = {name: module for name, module in model.named_modules() if name}
    nothing = torch.empty(0)
    tracer = FeatureGridTracer()
    # Parameters made in inference mode cannot enter a graph.
    traceable = not any(parameter.is_inference() for parameter in model.parameters())
    with (
        torch.inference_mode(False),
        torch.set_grad_enabled(traceable),
        # Only the structure of the graph is needed: store no activations.
        torch.autograd.graph.saved_tensors_hooks(lambda _tensor: nothing, lambda nothing: nothing),
        evaluation_mode(model),
        observed(modules, modules, observe),
    ):
        # Before tracing: torch 2.4 cannot call as_subclass while a dispatch mode is active.
        first = map_tensors(images, first_image)
        with tracer:
            returned = call_model(model, first)
            with suppress(InputError):  # without logits, follow every returned tensor
                returned = logits_of(returned, output)
    roots = [tensor.grad_fn for tensor in tensors_in(returned) if tensor.grad_fn is not None]
    if probe is None or probe.grad_fn is None or not roots:
        return image, seen
    between = _between(probe.grad_fn, roots)
    results = {id(tensor) for tensor in tensors_in(returned)}
    return image, [one for one in seen if one.node in between and one.tensor not in results]


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
