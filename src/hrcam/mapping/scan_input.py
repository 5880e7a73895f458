"""What the networks saw of one scan, and whether they know such scans."""

from collections.abc import Sequence
from math import ceil, prod

from hrcam.artifacts.distance_table import UNLIKE_RATE
from hrcam.artifacts.scan_input import ScanInput
from hrcam.preparation.prepared_scan import PreparedScan
from hrcam.training.run import Run

_FEWEST = ceil(1 / UNLIKE_RATE) - 1
"""With fewer held-out scans, none of them is as rare as one in twenty."""


def input_of_scan(
    run: Run,
    reading: PreparedScan,
    folds: Sequence[int],
    distances: Sequence[float] | None,
) -> ScanInput:
    """Compare the input of the networks with what they learnt from.

    Parameters
    ----------
    run
        Its held-out scans, and the sizes of its voxels.
    reading
        The scan.
    folds
        Whose networks mapped it.
    distances
        Of its features, by each of these networks; None where they do not know.
    """
    grid, spacing = reading.prepared.grid, run.preparation.spacing
    held_out = run.held_out
    multiple = None if distances is None else held_out.multiple(folds, distances)
    count, comparison = len(held_out.multiples), ""
    if multiple is None:
        comparison = "the run is of an earlier version of hrcam, which kept no distances"
    elif held_out.limit is None:
        comparison = f"the run has {count} held-out scans, and {_FEWEST} are needed"
    size = None
    if spacing is not None:
        sides = (one / abs(step) for one, step in zip(spacing, grid.steps, strict=True))
        size = tuple(float(f"{side:.6g}") for side in sides)
    return ScanInput(
        box=grid.box,
        share=prod(end - start for start, end in grid.box) / prod(grid.image_shape),
        voxel_size=size,
        known_sizes=run.voxel_sizes,
        distance=multiple,
        limit=held_out.limit,
        held_out=count,
        comparison=comparison,
    )
