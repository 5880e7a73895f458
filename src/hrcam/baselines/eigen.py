"""Eigen-CAM: the activations along their main direction, in two variants."""

from typing import ClassVar

import torch

from hrcam.baselines.interface import Classes, LevelMethod, explained_classes, finite_logits
from hrcam.levels.capture import capture
from hrcam.model.call import Images
from hrcam.model.tensors import at_least_single


class EigenCAM(LevelMethod):
    """Eigen-CAM (Muhammad and Yeasin, IJCNN 2020): activations along their main direction.

    As in the paper, they are not centred. The map does not depend on the class; ``classes`` is only
    checked.

    Parameters
    ----------
    model, levels, output
        As in ``Baseline``.
    """

    name: ClassVar[str] = "Eigen-CAM"

    def _level_maps(self, images: Images, classes: Classes) -> list[torch.Tensor]:
        output, maps = capture(
            self.model, images, self.levels, lambda _, level: self._project(level)
        )
        explained_classes(finite_logits(output, self._output), classes)
        return maps

    @staticmethod
    def _project(feature_map: torch.Tensor) -> torch.Tensor:
        return project_on_first(feature_map)


class CentredEigenCAM(EigenCAM):
    """Eigen-CAM as in pytorch-grad-cam: centred channels, and negative values cut off.

    The mean of each channel over the positions is subtracted before the decomposition: the map is
    ReLU of the first principal component. Its sign, which pytorch-grad-cam leaves to the
    decomposition, is chosen as in ``project_on_first``.

    Parameters
    ----------
    model, levels, output, image
        As in ``Baseline``.
    """

    name: ClassVar[str] = "Eigen-CAM (pytorch-grad-cam)"

    @staticmethod
    def _project(feature_map: torch.Tensor) -> torch.Tensor:
        wide = at_least_single(feature_map)
        mean = wide.flatten(2).mean(2).view(*wide.shape[:2], *[1] * (wide.ndim - 2))
        return project_on_first(wide - mean).relu()


def project_on_first(feature_map: torch.Tensor) -> torch.Tensor:
    """Return O v: the activations O (positions × channels) along their first singular vector.

    O = U Σ Vᵀ, and v is the first column of V; O is not centred here. The sign of v is
    arbitrary; it is chosen so that the inner product of the map with the sum of the activations
    over the channels, σ₁² Σ_k v_k, is not negative. After a ReLU the map is then not negative.

    Parameters
    ----------
    feature_map
        Shape (B, C_l, *S_l), any floating-point type.

    Returns
    -------
    Tensor of shape (B, *S_l), in at least single precision, in units of the activations.
    """
    channels = at_least_single(feature_map.flatten(2))  # Oᵀ
    # Only the first singular vector is needed: take it from the smaller of OᵀO and OOᵀ.
    few_channels = channels.shape[1] <= channels.shape[2]
    gram = channels @ channels.mT if few_channels else channels.mT @ channels
    if not bool(torch.isfinite(gram).all()):
        # There are no eigenvectors; ``maps_on_grid`` reports maps that are not finite.
        return torch.full_like(channels[:, 0], torch.nan).view(-1, *feature_map.shape[2:])
    values, vectors = torch.linalg.eigh(gram)
    first = vectors[..., -1]
    if few_channels:
        projected = (first[:, None] @ channels)[:, 0]
    else:
        projected = first * values[:, -1:].clamp_min(0).sqrt()
    agreement = (projected * channels.sum(1)).sum(1, keepdim=True)
    return torch.where(agreement < 0, -projected, projected).view(-1, *feature_map.shape[2:])
