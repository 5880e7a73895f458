"""Covariances of features and logits, from which the pattern of any contrast of classes follows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from hrcam.head.linear_models import Array

# A logit that varies less than this does not vary.
_CONSTANT = 1e-12

References = npt.NDArray[np.int64]
"""For each class the one that it is compared with, shape (K,); `ALL_OTHERS` for no single one."""

ALL_OTHERS = -1


def contrasts(references: References) -> Array:
    """Return what makes y_c of the logits, row by row, shape (K, K).

    y_c is logit_c minus the logit of its reference, or logit_c itself for `ALL_OTHERS`.
    """
    contrast = np.eye(len(references))
    rows = np.flatnonzero(references != ALL_OTHERS)
    contrast[rows, references[rows]] -= 1
    return contrast


@dataclass(frozen=True)
class LogitCovariance:
    """How features and logits go together over the training images.

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

        It is the pattern of a linear model (Haufe et al., NeuroImage 2014, eq. 6); y_c as in
        `contrasts`.

        Parameters
        ----------
        references
            Shape (K,).

        Returns
        -------
        Array of shape (K, D); zero where y_c does not vary.
        """
        contrast = contrasts(references)
        variance = np.einsum("cd,de,ce->c", contrast, self.logits, contrast)
        spread = np.sqrt(np.maximum(variance, 0))
        varies = spread > _CONSTANT
        scale = np.where(varies, spread, 1.0)[:, None]
        pattern: Array = np.where(varies[:, None], contrast @ self.features / scale, 0.0)
        return pattern


def covariance_of(z: Array, outputs: Array) -> LogitCovariance:
    """Measure the covariances of features z, shape (N, D), and logits, shape (N, K)."""
    centred = outputs - outputs.mean(0)
    return LogitCovariance(centred.T @ (z - z.mean(0)) / len(z), centred.T @ centred / len(z))
