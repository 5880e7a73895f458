"""What a comparison of two groups found."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hrcam.group.clusters import Cluster
from hrcam.group.design import Design
from hrcam.group.participants import Groups
from hrcam.group.permutation import PermutationTest
from hrcam.group.template_space import TemplateSpace


@dataclass(frozen=True, eq=False)
class Comparison:
    """Result of a comparison of two groups.

    Attributes
    ----------
    groups, design, space
        Who was compared, by which model, and where.
    test
        Statistics on the grid.
    clusters
        Sorted by p.
    mean
        Mean map of all participants, on the grid.
    permutations, seed
        Of the test.
    covariates
        Columns that were asked for.
    """

    groups: Groups
    design: Design
    space: TemplateSpace
    test: PermutationTest
    clusters: tuple[Cluster, ...]
    mean: NDArray[np.float32]
    permutations: int
    seed: int
    covariates: tuple[str, ...]
