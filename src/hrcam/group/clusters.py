"""The table of clusters: where, how large, and how sure."""

from dataclasses import dataclass

import numpy as np

from hrcam.findings.grid import MapGrid
from hrcam.group.atlas import nearest_region
from hrcam.group.permutation import PermutationTest
from hrcam.group.template_space import MNI, TemplateSpace

COLUMNS = {
    "cluster": "Number of the cluster in the image of clusters",
    "higher_in": "The group whose maps are higher there",
    "x_mm": "Coordinate of the peak in the template's space",
    "y_mm": "Coordinate of the peak in the template's space",
    "z_mm": "Coordinate of the peak in the template's space",
    "voxels": "Size",
    "volume_mm3": "Size",
    "peak_t": "t at the peak",
    "peak_effect": "Hedges' g at the peak; peaks overestimate effects",
    "p_cluster": "Family-wise corrected p of the cluster's size",
    "p_peak": "Family-wise corrected p of the peak's t",
    "nearest": "Nearest centre of a region of Dosenbach et al. 2010, in MNI space alone",
    "nearest_mm": "How far that centre is from the peak",
}


@dataclass(frozen=True)
class Cluster:
    """Neighbouring voxels beyond the forming threshold.

    Attributes
    ----------
    number
        In the image of clusters.
    higher_in
        The group whose maps are higher there.
    peak
        Coordinates in mm.
    voxels, volume
        Size, in voxels and mm³.
    t, effect
        At the peak.
    cluster_p, peak_p
        Family-wise corrected.
    nearest
        Name and distance in mm of the nearest centre; None outside MNI space.
    """

    number: int
    higher_in: str
    peak: tuple[float, ...]
    voxels: int
    volume: float
    t: float
    effect: float
    cluster_p: float
    peak_p: float
    nearest: tuple[str, float] | None

    def row(self) -> tuple[object, ...]:
        """Return the values of `COLUMNS`."""
        name, distance = self.nearest or (None, None)
        return (
            self.number,
            self.higher_in,
            *(f"{value:.1f}" for value in self.peak),
            self.voxels,
            f"{self.volume:.4g}",
            f"{self.t:.3g}",
            f"{self.effect:.3g}",
            f"{self.cluster_p:.4g}",
            f"{self.peak_p:.4g}",
            name,
            None if distance is None else f"{distance:.0f}",
        )


def clusters_of(
    test: PermutationTest, space: TemplateSpace, names: tuple[str, str]
) -> tuple[Cluster, ...]:
    """Describe the clusters, by their corrected p, then by their size."""
    grid = MapGrid.of(space.affine, 3)
    in_mni = space.name.startswith(MNI)
    found = [
        _cluster(test, grid, in_mni, names, number) for number in range(1, test.clusters.max() + 1)
    ]
    return tuple(sorted(found, key=lambda one: (one.cluster_p, -one.voxels, one.number)))


def _cluster(
    test: PermutationTest, grid: MapGrid, in_mni: bool, names: tuple[str, str], number: int
) -> Cluster:
    inside = test.clusters == number
    peak = np.unravel_index(int(np.where(inside, np.abs(test.t), -1).argmax()), inside.shape)
    place = grid.in_mm(tuple(map(int, peak)))
    assert place is not None  # the grid has a scale
    voxels = int(inside.sum())
    return Cluster(
        number,
        names[0] if test.t[peak] > 0 else names[1],
        place,
        voxels,
        voxels * grid.voxel,
        float(test.t[peak]),
        float(test.effect[peak]),
        float(test.cluster_p[peak]),
        float(test.voxel_p[peak]),
        nearest_region(np.array(place)) if in_mni else None,
    )
