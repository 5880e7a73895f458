"""Eigen-CAM: the first principal component of the activations."""

from typing import ClassVar

import torch

from hrcam.baselines.interface import Baseline, Classes, explained_classes, finite_logits
from hrcam.levels.capture import capture
from hrcam.model.call import Images
from hrcam.model.tensors import at_least_single


class EigenCAM(Baseline):
    """Eigen-CAM (Muhammad and Yeasin, IJCNN 2020): activations along their main direction.

    It does not depend on the class: ``classes`` is checked, and every class has one map.

    Parameters
    ----------
    model, levels, output
        As in ``Baseline``.
    """

    name: ClassVar[str] = "Eigen-CAM"

    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        output, maps = capture(
            self.model, images, self.levels, lambda _, level: project_on_first(level)
        )
        explained_classes(finite_logits(output, self._output), classes)
        return maps


def project_on_first(feature_map: torch.Tensor) -> torch.Tensor:
    """Return O v: the activations O (positions × channels) along their first singular vector.

    O = U Σ Vᵀ and v is the first column of V; O is not centred, as in the paper. The sign of a
    singular vector is arbitrary: it is taken so that the map's inner product with the sum of
    the activations over the channels, σ₁² Σ_k v_k, is not negative. Activations behind a ReLU
    then give a map without negative values.

    Parameters
    ----------
    feature_map
        Shape (B, C_l, *S_l), any floating-point type.

    Returns
    -------
    Tensor of shape (B, *S_l), in at least single precision, in units of the activations.
    """
    channels = at_least_single(feature_map.flatten(2))  # Oᵀ
    # Eigenvectors of the smaller of OᵀO and OOᵀ: no singular vector but the first is needed.
    few_channels = channels.shape[1] <= channels.shape[2]
    gram = channels @ channels.mT if few_channels else channels.mT @ channels
    if not bool(torch.isfinite(gram).all()):
        # It has no eigenvectors; the caller of every method reports such maps.
        return torch.full_like(channels[:, 0], torch.nan).view(-1, *feature_map.shape[2:])
    values, vectors = torch.linalg.eigh(gram)
    first = vectors[..., -1]
    if few_channels:
        projected = (first[:, None] @ channels)[:, 0]
    else:
        projected = first * values[:, -1:].clamp_min(0).sqrt()
    agreement = (projected * channels.sum(1)).sum(1, keepdim=True)
    return torch.where(agreement < 0, -projected, projected).view(-1, *feature_map.shape[2:])
