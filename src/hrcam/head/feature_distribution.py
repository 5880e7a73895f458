"""Where the pooled features of the training images lie, and how far those of another image are."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.covariance import ledoit_wolf_shrinkage

from hrcam.head.linear_models import Array

# A feature counts as if it varied by at least this share of the median feature's standard
# deviation: one that is nearly constant in training would make every other image look far away.
_LEAST_DEVIATION = 1e-2
# With two images the estimate is 0, and the covariance has no inverse.
_LEAST_SHRINKAGE = 1e-3
# Directions with less of the variance are rounding errors.
_ROUNDING = 1e-10


@dataclass(frozen=True)
class FeatureDistribution:
    """Mean and shrunk covariance of the pooled features of all levels.

    The covariance is that of the standardised features, shrunk towards the identity (Ledoit and
    Wolf, 2004), so that it has an inverse with fewer images than features too.

    Attributes
    ----------
    mean, scale
        Of the D features, shape (D,).
    directions
        Eigenvectors of the covariance of the standardised features, as far as the images span
        them, shape (R, D), in single precision.
    variances
        Shrunk eigenvalues, shape (R,).
    remaining
        Shrunk variance in each direction that the images do not span, shape ().
    """

    mean: Array
    scale: Array
    directions: npt.NDArray[np.float32]
    variances: Array
    remaining: Array

    def is_consistent(self, features: int) -> bool:
        """Whether the shapes of all arrays are those for a number of features."""
        count = len(self.variances)
        return (
            self.mean.shape == self.scale.shape == (features,)
            and self.directions.shape == (count, features)
            and self.remaining.shape == ()
        )

    def distances(self, pooled: Array) -> Array:
        """Return the Mahalanobis distance of each image from the mean, shape (N,).

        Parameters
        ----------
        pooled
            Features of N images, shape (N, D).
        """
        z = (pooled - self.mean) / self.scale
        along = z @ self.directions.T.astype(np.float64)
        squares = (along**2 / self.variances).sum(1)
        if len(self.directions) < len(self.mean):
            rest = (z**2).sum(1) - (along**2).sum(1)
            squares += np.maximum(rest, 0) / self.remaining
        distances: Array = np.sqrt(squares)
        return distances


def feature_distribution(pooled: Array) -> FeatureDistribution:
    """Estimate the distribution of pooled features, shape (N, D)."""
    mean, scale = pooled.mean(0), pooled.std(0)
    varied = scale[scale > 0]
    least = _LEAST_DEVIATION * float(np.median(varied)) if len(varied) else 1.0
    scale = np.maximum(scale, least)
    z = (pooled - mean) / scale
    directions, eigenvalues = _principal_directions(z)
    average = float((z**2).mean())
    shrinkage = remaining = 1.0  # of images without variance
    if average > 0:
        estimate = float(ledoit_wolf_shrinkage(z, assume_centered=True))
        shrinkage = max(estimate, _LEAST_SHRINKAGE)
        remaining = shrinkage * average
    return FeatureDistribution(
        mean,
        scale,
        directions.astype(np.float32),
        (1 - shrinkage) * eigenvalues + remaining,
        np.asarray(remaining),
    )


def _principal_directions(z: Array) -> tuple[Array, Array]:
    """Return eigenvectors (R, D) and eigenvalues (R,) of the covariance of z, shape (N, D)."""
    images, features = z.shape
    # The smaller of the two matrices with these eigenvalues.
    if images >= features:
        eigenvalues, vectors = np.linalg.eigh(z.T @ z / images)
        directions = vectors.T
    else:
        eigenvalues, vectors = np.linalg.eigh(z @ z.T / images)
        directions = vectors.T @ z
    known = eigenvalues > max(_ROUNDING * float(eigenvalues.max()), np.finfo(float).tiny)
    directions = directions[known]
    directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    return directions, eigenvalues[known]
