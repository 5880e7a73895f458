"""Grad-CAM, Grad-CAM++ in two variants, LayerCAM, HiResCAM and XGrad-CAM.

In the formulas A_k is channel k of a level's activations, G_k the gradient of the logit there,
i a position, N the number of positions.
"""

from typing import ClassVar

import torch

from hrcam.baselines.gradient import GradientMethod
from hrcam.baselines.interface import weighted_sum

_EPSILON = 1e-6  # of pytorch-grad-cam


class GradCAM(GradientMethod):
    """Grad-CAM (Selvaraju et al., ICCV 2017): channels weighted by their mean gradient."""

    name: ClassVar[str] = "Grad-CAM"

    @staticmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return ReLU(Σ_k α_k A_k) with α_k = (1/N) Σ_i G_k(i) (equations 1 and 2).

        Parameters
        ----------
        activations, gradients
            A and G, shape (B, C_l, *S_l).

        Returns
        -------
        Tensor of shape (B, *S_l), not negative, in logit units.
        """
        return weighted_sum(activations, gradients.flatten(2).mean(2)).relu()


class GradCAMPlusPlus(GradientMethod):
    """Grad-CAM++ (Chattopadhay et al., WACV 2018): channels weighted by positive gradients."""

    name: ClassVar[str] = "Grad-CAM++"

    @staticmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return ReLU(Σ_k w_k A_k) with w_k = Σ_i α_k(i) ReLU(G_k(i)) (equations 5 and 19).

        α_k(i) = G_k(i)² / (2 G_k(i)² + Σ_j A_k(j) · G_k(i)³), and 0 where the denominator is.
        The paper's score is exp(logit), with gradient exp(logit) G. The factor exp(logit) scales
        the whole map, and is left out since it overflows.

        Parameters
        ----------
        activations, gradients
            A and G, shape (B, C_l, *S_l).

        Returns
        -------
        Tensor of shape (B, *S_l), not negative.
        """
        positive = gradients.flatten(2).relu()
        # G² is cancelled, since cubes of small gradients underflow. Where G is 0, so is the term.
        denominator = 2 + activations.flatten(2).sum(2, keepdim=True) * positive
        terms = torch.where(denominator == 0, 0, positive / denominator)
        return weighted_sum(activations, terms.sum(2)).relu()


class GradCAMPlusPlusWithEpsilon(GradCAMPlusPlus):
    """Grad-CAM++ as in pytorch-grad-cam: 1e-6 in the denominator of α_k."""

    name: ClassVar[str] = "Grad-CAM++ (pytorch-grad-cam)"

    @staticmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return ReLU(Σ_k w_k A_k) with w_k = Σ_i α_k(i) ReLU(G_k(i)).

        α_k(i) = G_k(i)² / (2 G_k(i)² + Σ_j A_k(j) · G_k(i)³ + 1e-6): where gradients are far below
        1e-3, as at fine levels, α is about 1e6 G² instead of 1/2, and weak gradients hardly count.

        Parameters
        ----------
        activations, gradients
            A and G, shape (B, C_l, *S_l).

        Returns
        -------
        Tensor of shape (B, *S_l), not negative.
        """
        positive = gradients.flatten(2).relu()
        squared = positive.square()
        total = activations.flatten(2).sum(2, keepdim=True)
        alpha = squared / (2 * squared + total * squared * positive + _EPSILON)
        return weighted_sum(activations, (alpha * positive).sum(2)).relu()


class LayerCAM(GradientMethod):
    """LayerCAM (Jiang et al., IEEE TIP 2021): positions weighted by positive gradients."""

    name: ClassVar[str] = "LayerCAM"

    @staticmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return ReLU(Σ_k ReLU(G_k) · A_k), position by position (equations 5 to 7).

        Parameters
        ----------
        activations, gradients
            A and G, shape (B, C_l, *S_l).

        Returns
        -------
        Tensor of shape (B, *S_l), not negative, in logit units.
        """
        return (gradients.relu() * activations).sum(1).relu()


class HiResCAM(GradientMethod):
    """HiResCAM (Draelos and Carin, 2020, arXiv 2011.08891): gradient times activation."""

    name: ClassVar[str] = "HiResCAM"

    @staticmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return Σ_k G_k · A_k, position by position.

        There is no ReLU: the paper's proof, that the map sums over the level's positions to the
        logit minus the bias if one linear layer follows, holds for the signed map only.

        Parameters
        ----------
        activations, gradients
            A and G, shape (B, C_l, *S_l).

        Returns
        -------
        Tensor of shape (B, *S_l), signed, in logit units.
        """
        return (gradients * activations).sum(1)


class XGradCAM(GradientMethod):
    """XGrad-CAM (Fu et al., BMVC 2020): gradients averaged with the activations as weights."""

    name: ClassVar[str] = "XGrad-CAM"

    @staticmethod
    def weigh(activations: torch.Tensor, gradients: torch.Tensor) -> torch.Tensor:
        """Return ReLU(Σ_k w_k A_k) with w_k = Σ_i G_k(i) A_k(i) / Σ_j A_k(j).

        A channel whose activations sum to 0 has no weight.

        Parameters
        ----------
        activations, gradients
            A and G, shape (B, C_l, *S_l).

        Returns
        -------
        Tensor of shape (B, *S_l), not negative, in logit units.
        """
        totals = activations.flatten(2).sum(2)
        weights = (gradients * activations).flatten(2).sum(2) / totals
        return weighted_sum(activations, torch.where(totals == 0, 0, weights)).relu()
