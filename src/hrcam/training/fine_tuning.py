"""Fine-tuning: a network whose head alone is trained, and learning rates by depth."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from hrcam.training.joint import JointNetwork
from hrcam.training.layer_order import LayerOrder, layer_of


def freeze_backbone(network: nn.Module, image_shape: tuple[int, ...]) -> None:
    """Keep all but the head of a network as it is: a linear probe, if the head is one layer.

    Frozen modules are in evaluation mode, so that batch norms keep their statistics; the network
    itself is in training mode.

    Parameters
    ----------
    network
        The network.
    image_shape
        Channels and grid of its images.
    """
    order = LayerOrder.of(network, image_shape)
    network.train()
    for name, module in network.named_modules():
        module.training = name in order.trained_with_head
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(order.is_in_head(name))


def layer_rates(network: nn.Module, image_shape: tuple[int, ...], decay: float) -> dict[str, float]:
    """Return the share of the learning rate of each parameter, by its name.

    The last block has 1, the block before it ``decay``, the one before that ``decay`` squared, and
    so on, as is usual for transformers (Bao et al., ICLR 2022). For blocks see
    `LayerOrder.blocks`. The heads of a `JointNetwork` have 1.

    Parameters
    ----------
    network
        The network.
    image_shape
        Channels and grid of its images.
    decay
        Factor from a block to the one before, in 0 to 1.
    """
    cnn, prefix = network, ""
    if isinstance(network, JointNetwork):
        cnn, prefix = network.network, "network."
    blocks = LayerOrder.of(cnn, image_shape).blocks(cnn)
    depths = {
        prefix + layer: len(blocks) - 1 - index
        for index, layers in enumerate(blocks)
        for layer in layers
    }
    return {name: decay ** depths.get(layer_of(name), 0) for name, _ in network.named_parameters()}


def parameter_groups(
    network: nn.Module, learning_rate: float, rates: Mapping[str, float] | None
) -> list[dict[str, Any]]:
    """Return the parameters of a network by learning rate, as an optimiser takes them.

    Parameters
    ----------
    network
        The network.
    learning_rate
        Of a parameter whose share is 1.
    rates
        The share of each parameter, as from `layer_rates`; None for 1.
    """
    if rates is None:
        return [{"params": list(network.parameters()), "lr": learning_rate}]
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault(rates[name], []).append(parameter)
    return [
        {"params": parameters, "lr": learning_rate * rate} for rate, parameters in groups.items()
    ]
