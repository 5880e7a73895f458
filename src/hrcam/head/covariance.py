"""Covariances of features and logits, and the patterns of classes that follow from them."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hrcam.head.linear_models import Array

# A logit with a standard deviation below this is constant.
_CONSTANT = 1e-12

References = npt.NDArray[np.int64]
"""The class that each class is compared with, shape (K,), or `ALL_OTHERS`."""

ALL_OTHERS = -1


def contrasts(references: References) -> Array:
    """Return the matrix of the contrasts y = contrast · logits, shape (K, K).

    y_c is logit_c minus the logit of its reference, or logit_c alone for `ALL_OTHERS`.
    """
    contrast = np.eye(len(references))
    rows = np.flatnonzero(references != ALL_OTHERS)
    contrast[rows, references[rows]] -= 1
    return contrast


@dataclass(frozen=True)
class LogitCovariance:
    """Covariances of features and logits over the training images.

    Attributes
    ----------
    features
        cov(z_k, logit_c) of standardised features, shape (K, D).
    logits
        cov(logit_c, logit_d), shape (K, K).
    """

    features: Array
    logits: Array

    def pattern(self, references: References) -> Array:
        """Return r_ck = cov(z_k, y_c) / sd(y_c), the correlation of each feature with each class.

        This is the pattern of a linear model (Haufe et al., NeuroImage 2014, eq. 6), with y_c from
        `contrasts`.

        Parameters
        ----------
        references
            Shape (K,).

        Returns
        -------
        Array of shape (K, D); zero where y_c is constant.
        """
        contrast = contrasts(references)
        variance = np.einsum("cd,de,ce->c", contrast, self.logits, contrast)
        std = np.sqrt(np.maximum(variance, 0))
        varies = std > _CONSTANT
        scale = np.where(varies, std, 1.0)[:, None]
        pattern: Array = np.where(varies[:, None], contrast @ self.features / scale, 0.0)
        return pattern


def covariance_of(z: Array, outputs: Array) -> LogitCovariance:
    """Return the covariances of features z, shape (N, D), and logits, shape (N, K)."""
    centred = outputs - outputs.mean(0)
    return LogitCovariance(centred.T @ (z - z.mean(0)) / len(z), centred.T @ centred / len(z))
