"""Names of places in MNI space, by the nearest centre of a region that nilearn brings."""

from functools import cache

import numpy as np
from nilearn.datasets import fetch_coords_dosenbach_2010
from numpy.typing import NDArray

SOURCE = "Dosenbach et al., Science 2010: 160 centres of regions"


def nearest_region(place: NDArray[np.float64]) -> tuple[str, float]:
    """Return the name of the region whose centre is nearest to a place, and how far it is.

    Volumes of regions with names are downloads, which this package does not make; so a name here
    is that of a neighbour, not of what the place lies in.

    Parameters
    ----------
    place
        Coordinates in MNI space in mm, shape (3,).

    Returns
    -------
    name, distance
        Distance in mm.
    """
    centres, names = _regions()
    distances = np.linalg.norm(centres - place, axis=1)
    index = int(distances.argmin())
    return names[index], float(distances[index])


@cache
def _regions() -> tuple[NDArray[np.float64], tuple[str, ...]]:
    found = fetch_coords_dosenbach_2010(ordered_regions=False)
    rois = found.rois
    centres = np.array([[row["x"], row["y"], row["z"]] for row in rois.to_dict("records")], float)
    return centres, tuple(" ".join(str(label).split()[:-1]) for label in found.labels)
