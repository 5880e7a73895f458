"""Whether the maps of a folder mean anything, checked on a few scans of it."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hrcam.artifacts.sanity_record import Examples, SanityInput, is_checked, write_sanity
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.cohort.problems import ImageError
from hrcam.cohort.reading import read_scan
from hrcam.cohort.scan import Scan
from hrcam.explainer import HRCAM
from hrcam.preparation import PreparedImage
from hrcam.sanity.run_checks import CheckedMaps, CheckInputs, check_maps, foreground
from hrcam.sanity.untrained_networks import FEWEST_IMAGES
from hrcam.training.run import Run

logger = logging.getLogger(__name__)

MOST_IMAGES, FEWEST = 16, 4
"""How many scans are checked at most, and of large volumes at least."""

# Voxels of all scans that are checked, between these numbers of them.
_VOXELS = 2**21
# Untrained networks are fitted on so many scans for each that is checked.
_REFERENCES = 2
_SHOWN = 3


@dataclass(frozen=True)
class MappedScan:
    """A scan whose maps are done.

    Attributes
    ----------
    scan
        The scan.
    record
        Its record.
    """

    scan: Scan
    record: ScanRecord


def check_folder(
    out: Path,
    run: Run,
    identity: Mapping[str, Any],
    mapped: Iterable[MappedScan],
    explainer: Callable[[int], HRCAM],
) -> None:
    """Check the maps of a few scans of a folder, unless that was done already.

    Checked is one network, on scans that it has not learnt from as far as there are any: 16 of
    them, of volumes of more than 131,072 voxels fewer, at least 4. They are drawn by a hash of
    their names. ``sanity.json`` is written last, after the maps that a report shows beside each
    other, ``sanity.npy``.

    Parameters
    ----------
    out
        The folder.
    run
        The training.
    identity
        What tells the run from others.
    mapped
        Scans with maps; read until there are enough.
    explainer
        Gives that of a fold.
    """
    number = number_of_images(run.preparation.shape)
    fold, chosen = choose_scans(mapped, max(_REFERENCES * number, FEWEST_IMAGES))
    if not chosen:
        return
    checked = SanityInput(
        dict(identity),
        fold,
        tuple((one.record.scan, one.record.voxel_hash, one.record.map_class) for one in chosen),
    )
    if is_checked(out, checked):
        return
    kept, prepared = _prepared(run, chosen)
    if not kept:
        return
    logger.info("checking the maps on %d scans", min(number, len(kept)))
    others = [(f"fold {one}", explainer(one)) for one in range(1, run.folds + 1) if one != fold]
    found = check_maps(explainer(fold), _check_inputs(kept, prepared, number), others)
    first = chosen[0].record
    rows = _rows(kept[:number])
    pictures, spacing = _pictures(run, prepared, found, rows)
    examples = Examples(
        columns=("Image", *found.maps),
        rows=tuple((kept[row].scan.name, kept[row].record.map_class) for row in rows),
        pictures=pictures,
        volumes=run.preparation.dimensions == 3,
        radiological=_radiological(run),
        spacing=spacing,
    )
    write_sanity(
        out,
        checked,
        found.checks,
        examples,
        run.preparation.shape,
        seen=first.seen_in_training,
        others_learnt=len(first.folds) < run.folds,
    )


def by_chance(scans: Sequence[Scan]) -> list[Scan]:
    """Order scans by a hash of their names: as good as at random, and the same whoever asks."""
    return sorted(
        scans, key=lambda scan: hashlib.sha256(scan.name.encode("utf-8", "replace")).digest()
    )


def number_of_images(shape: tuple[int, ...]) -> int:
    """Return how many images of a grid are checked: fewer of large volumes."""
    return min(MOST_IMAGES, max(FEWEST, _VOXELS // int(np.prod(shape))))


def choose_scans(mapped: Iterable[MappedScan], number: int) -> tuple[int, list[MappedScan]]:
    """Take the first scans that one network has mapped, rather those that it has not learnt from.

    Returns
    -------
    fold, scans
        The network is that of the first scan.
    """
    parts: dict[bool, list[MappedScan]] = {False: [], True: []}
    for one in mapped:
        part = parts[one.record.seen_in_training]
        fits = not part or part[0].record.folds[0] in one.record.folds
        if fits and len(part) < number:
            part.append(one)
        if len(parts[False]) == number:
            break
    chosen = parts[False] or parts[True]
    return (chosen[0].record.folds[0] if chosen else 0), chosen


def _prepared(
    run: Run, chosen: Sequence[MappedScan]
) -> tuple[list[MappedScan], list[PreparedImage]]:
    """Read the scans again; one that has gone meanwhile is left out."""
    kept, prepared = [], []
    for one in chosen:
        try:
            prepared.append(run.preparation.apply(read_scan(one.scan)))
        except ImageError:
            continue
        kept.append(one)
    return kept, prepared


def _check_inputs(
    kept: Sequence[MappedScan], prepared: Sequence[PreparedImage], number: int
) -> CheckInputs:
    references = torch.from_numpy(np.stack([one.voxels for one in prepared]))
    return CheckInputs(
        images=references[:number],
        classes=torch.tensor([one.record.class_index for one in kept[:number]]),
        region=torch.from_numpy(
            np.stack([foreground(one.voxels, one.inside) for one in prepared[:number]])
        ),
        references=references,
    )


def _rows(kept: Sequence[MappedScan]) -> list[int]:
    """Choose the scans of the figure: one of each class first."""
    turn: dict[str, int] = {}
    order = []
    for index, one in enumerate(kept):
        name = one.record.map_class
        turn[name] = turn.get(name, -1) + 1
        order.append((turn[name], index))
    return [index for _, index in sorted(order)[:_SHOWN]]


def _radiological(run: Run) -> bool:
    """Whether the first axis of the grid is known to run from left to right."""
    return run.preparation.orientation == "RAS" and run.preparation.left_right == 0


def _pictures(
    run: Run, prepared: Sequence[PreparedImage], found: CheckedMaps, rows: Sequence[int]
) -> tuple[NDArray[np.float32], tuple[float, ...] | None]:
    """Return image and maps of some scans, and the spacing of their planes.

    Of volumes it is the plane across the third axis where the pattern is highest.

    Returns
    -------
    pictures, spacing
        Shape (rows, columns of the figure, *plane): as (right, front or up) where that is known,
        else as (rows, columns) of a picture.
    """
    pictures = []
    for row in rows:
        columns = [prepared[row].voxels[0], *(maps[row].numpy() for maps in found.maps.values())]
        if run.preparation.dimensions == 3:
            place = int(columns[1].max(axis=(0, 1)).argmax())
            columns = [values[..., place] for values in columns]
        pictures.append(np.stack(columns))
    planes = np.stack(pictures).astype(np.float32)
    spacing = None if run.preparation.spacing is None else run.preparation.spacing[:2]
    if run.preparation.orientation == "RAS" and not _radiological(run):  # a sagittal slice
        planes = np.ascontiguousarray(planes.swapaxes(-1, -2)[..., ::-1, :])
        spacing = None if spacing is None else spacing[::-1]
    return planes, spacing
