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

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.sanity_record import Examples, SanityInput, is_checked, write_sanity
from hrcam.artifacts.scan_record import ScanRecord
from hrcam.cohort.image import ImageSpace
from hrcam.cohort.problems import ImageError
from hrcam.cohort.reading import read_mask
from hrcam.cohort.scan import Scan
from hrcam.explainer import HRCAM
from hrcam.preparation import PreparedImage
from hrcam.preparation.prepared_scan import prepare_scan
from hrcam.sanity.limits import LIMITS
from hrcam.sanity.model_free_bounds import MaskedImages
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


@dataclass(frozen=True, eq=False)
class _Prepared:
    """A scan on the grid of the network, and its mask there; None if there is none."""

    mapped: MappedScan
    image: PreparedImage
    mask: NDArray[np.bool_] | None

    @property
    def region(self) -> NDArray[np.bool_]:
        return foreground(self.image.voxels, self.image.inside)


def check_folder(
    out: Path,
    run: Run,
    identity: Mapping[str, Any],
    mapped: Iterable[MappedScan],
    explainer: Callable[[int], HRCAM],
    cache: Cache | None = None,
) -> None:
    """Check the maps of a few scans of a folder, unless that was done already.

    Checked is one network, on scans that it has not learnt from as far as there are any: 16 of
    them, of volumes of more than 131,072 voxels fewer, at least 4. They are drawn by a hash of
    their names. Of twice as many, at least 8, the masks are used where there are some.
    ``sanity.json`` is written last, after the maps that a report shows beside each other,
    ``sanity.npy``.

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
    cache
        Of prepared scans.
    """
    number = number_of_images(run.preparation.shape)
    fold, chosen = choose_scans(mapped, _needed(number))
    if not chosen:
        return
    checked = SanityInput(
        dict(identity),
        fold,
        tuple((one.record.scan, one.record.voxel_hash, one.record.map_class) for one in chosen),
        tuple(_mask_file(one.scan) for one in chosen),
        {str(name): limit for name, limit in LIMITS.items()},
    )
    if is_checked(out, checked):
        return
    prepared = _prepared(run, chosen, cache)
    if not prepared:
        return
    logger.info("checking the maps on %d scans", min(number, len(prepared)))
    others = [(f"fold {one}", explainer(one)) for one in range(1, run.folds + 1) if one != fold]
    found = check_maps(explainer(fold), _check_inputs(prepared, number), others)
    first = chosen[0].record
    kept = [one.mapped for one in prepared]
    rows = _rows(kept[:number])
    pictures, spacing = _pictures(run, [one.image for one in prepared], found, rows)
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


def scans_to_check(shape: tuple[int, ...], mapped: Iterable[MappedScan]) -> list[MappedScan]:
    """Return the scans that `check_folder` uses, of those that are mapped."""
    return choose_scans(mapped, _needed(number_of_images(shape)))[1]


def _needed(number: int) -> int:
    return max(_REFERENCES * number, FEWEST_IMAGES)


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


def _prepared(run: Run, chosen: Sequence[MappedScan], cache: Cache | None) -> list[_Prepared]:
    """Read the scans again; one that has gone meanwhile is left out."""
    prepared = []
    for one in chosen:
        try:
            found = prepare_scan(one.scan, run.preparation, cache)
        except ImageError:
            continue
        mask = _mask(one.scan, found.space, found.prepared)
        prepared.append(_Prepared(one, found.prepared, mask))
    return prepared


def _mask(scan: Scan, image: ImageSpace, on_grid: PreparedImage) -> NDArray[np.bool_] | None:
    """Return the mask of a scan on the grid: positions of which at least half are marked."""
    if scan.mask is None:
        return None
    try:
        mask = read_mask(scan.mask, image)
    except ImageError as error:
        logger.warning("maps are not scored on %s: %s", scan.name, error.message)
        return None
    marked: NDArray[np.bool_] = on_grid.from_native(mask.astype(np.float32)) >= 0.5
    return marked


def _mask_file(scan: Scan) -> tuple[int, float] | None:
    """Return size and time of change of a scan's mask; None without one."""
    if scan.mask is None or not scan.mask.is_file():
        return None
    state = scan.mask.stat()
    return state.st_size, state.st_mtime


def _check_inputs(prepared: Sequence[_Prepared], number: int) -> CheckInputs:
    references = torch.from_numpy(np.stack([one.image.voxels for one in prepared]))
    checked = prepared[:number]
    return CheckInputs(
        images=references[:number],
        classes=_classes(checked),
        region=torch.from_numpy(np.stack([one.region for one in checked])),
        references=references,
        masked=_masked(prepared),
    )


def _masked(prepared: Sequence[_Prepared]) -> MaskedImages | None:
    """Return the scans whose mask marks something; None if there are none."""
    found = [
        (one, one.region, one.mask)
        for one in prepared
        if one.mask is not None and (one.mask & one.region).any()
    ]
    if not found:
        return None
    scans, regions, masks = zip(*found, strict=True)
    return MaskedImages(
        torch.from_numpy(np.stack([one.image.voxels for one in scans])),
        _classes(scans),
        torch.from_numpy(np.stack(regions)),
        torch.from_numpy(np.stack(masks)),
        tuple(one.mapped.scan.participant for one in scans),
    )


def _classes(prepared: Sequence[_Prepared]) -> torch.Tensor:
    return torch.tensor([one.mapped.record.class_index for one in prepared])


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
