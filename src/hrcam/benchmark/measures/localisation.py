"""Localisation scores, computed image by image because all maps would not fit in memory."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from hrcam.benchmark.images.fold_images import FoldImages
from hrcam.benchmark.images.measured import MeasuredImages, subset
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.variant import Variant
from hrcam.errors import InputError
from hrcam.evaluation.lesion_scores import false_positives, iou, mass_inside
from hrcam.evaluation.localisation import auprc, choose_threshold, dice, pointing
from hrcam.progress import Progress

SubjectMaps = Mapping[Variant, NDArray[np.float32]]
"""Map of one scan by each method, in the scan's own voxels."""

Mapper = Callable[[FoldImages], Iterable[tuple[int, SubjectMaps]]]
"""From images of a fold to the index and maps of each image."""

Thresholds = Mapping[Variant, tuple[float, float]]
"""For each method, the best threshold on each half of the subjects."""

_Mapped = tuple[FoldImages, int, SubjectMaps]

# Bytes of maps for the choice of thresholds.
_KEPT = 2 * 1024**3


def localisation(
    mapper: Mapper, measured: MeasuredImages, *, seed: int = 0, progress: bool = False
) -> list[Measurement]:
    """Score the maps of some methods against the masks.

    Thresholds for Dice, IoU and false positives are chosen on one half of the subjects (by group)
    and used on the other; maps of up to 2 GiB are used for the choice.

    Parameters
    ----------
    mapper
        Maps images by all the methods.
    measured
        The images; those without a lesion are scored by false positives only.
    seed
        Random seed of the halves.
    progress
        Show a progress bar on a terminal.

    Returns
    -------
    list of Measurement
        ``auprc``, ``pointing``, ``dice``, ``iou``, ``mass_inside``, and ``maximum_in_nigra`` if
        the nigra is known; ``false_positives`` (components) and ``false_positive_share`` (of the
        voxels) of images without a lesion.

    Raises
    ------
    InputError
        If fewer than two subjects have a lesion.
    """
    half = _halves(measured, seed)
    total = sum(len(images.scans) for images in (*measured.lesions, *measured.lesion_free))
    found: list[Measurement] = []
    with Progress(total, "scoring maps", "images", shown=progress) as bar:
        first, rest = _for_thresholds(mapper, measured.lesions, half)
        kept = list(_mapped(mapper, first))
        thresholds = _choose_thresholds(kept, half)
        for images, place, maps in chain(kept, _mapped(mapper, rest)):
            found += _scores(images, place, maps, thresholds, half, measured.nigra)
            bar.update()
        for images, place, maps in _mapped(mapper, measured.lesion_free):
            found += _false_alarms(images, place, maps, thresholds, half)
            bar.update()
    return found


def _halves(measured: MeasuredImages, seed: int) -> dict[str, int]:
    """Assign groups to half 0 or 1 at random, stratified by presence of a lesion."""
    ill = {scan.group for images in measured.lesions for scan in images.scans}
    if len(ill) < 2:
        raise InputError(
            "a threshold is used on other subjects than it was chosen on, and subjects with a "
            f"lesion: {len(ill)}; two or more are needed"
        )
    generator = np.random.default_rng(seed)
    half = {}
    for groups in (sorted(ill), sorted(set(measured.groups.values()) - ill)):
        for rank, place in enumerate(generator.permutation(len(groups))):
            half[groups[place]] = rank % 2
    return half


def _for_thresholds(
    mapper: Mapper, folds: Sequence[FoldImages], half: Mapping[str, int]
) -> tuple[list[FoldImages], list[FoldImages]]:
    """Split off the images whose maps are kept in memory, balanced over both halves."""
    _, _, maps = next(_mapped(mapper, [subset(folds[0], [0])]))
    most = max(1, _KEPT // sum(values.nbytes for values in maps.values()) // 2)
    # By index first, so that every fold contributes.
    order = sorted(
        (place, number) for number, images in enumerate(folds) for place in _places(images)
    )
    count = {0: 0, 1: 0}
    chosen: set[tuple[int, int]] = set()
    for place, number in order:
        side = half[folds[number].scans[place].group]
        if count[side] < most:
            count[side] += 1
            chosen.add((number, place))
    parts: tuple[list[FoldImages], list[FoldImages]] = ([], [])
    for number, images in enumerate(folds):
        for part, wanted in zip(parts, (True, False), strict=True):
            places = [one for one in _places(images) if ((number, one) in chosen) == wanted]
            if places:
                part.append(subset(images, places))
    return parts


def _choose_thresholds(kept: Sequence[_Mapped], half: Mapping[str, int]) -> Thresholds:
    sides = [half[images.scans[place].group] for images, place, _ in kept]

    def best(variant: Variant, side: int) -> float:
        rows = [row for row, one in zip(kept, sides, strict=True) if one == side]
        return choose_threshold(
            (maps[variant] for _, _, maps in rows),
            (_mask(images, place) for images, place, _ in rows),
        )

    return {variant: (best(variant, 0), best(variant, 1)) for variant in kept[0][2]}


def _scores(
    images: FoldImages,
    place: int,
    maps: SubjectMaps,
    thresholds: Thresholds,
    half: Mapping[str, int],
    nigra: Mapping[str, NDArray[np.bool_]],
) -> Iterator[Measurement]:
    scan, mask = images.scans[place], _mask(images, place)
    for variant, values in maps.items():
        threshold = thresholds[variant][1 - half[scan.group]]
        scores = {
            "auprc": auprc(values, mask),
            "pointing": pointing(values, mask),
            "dice": dice(values, mask, threshold),
            "iou": iou(values, mask, threshold),
            "mass_inside": mass_inside(values, mask),
        }
        if scan.name in nigra:
            scores["maximum_in_nigra"] = pointing(values, nigra[scan.name])
        for measure, value in scores.items():
            yield Measurement(scan.name, variant, measure, float(value))


def _false_alarms(
    images: FoldImages,
    place: int,
    maps: SubjectMaps,
    thresholds: Thresholds,
    half: Mapping[str, int],
) -> Iterator[Measurement]:
    scan = images.scans[place]
    for variant, values in maps.items():
        found = false_positives(values, thresholds[variant][1 - half[scan.group]])
        yield Measurement(scan.name, variant, "false_positives", float(found.count))
        yield Measurement(scan.name, variant, "false_positive_share", found.share)


def _mapped(mapper: Mapper, folds: Iterable[FoldImages]) -> Iterator[_Mapped]:
    for images in folds:
        for place, maps in mapper(images):
            yield images, place, maps


def _mask(images: FoldImages, place: int) -> NDArray[np.bool_]:
    mask = images.masks[place]
    if mask is None:
        raise InputError(f"{images.scans[place].name} has no mask to be scored against")
    return mask


def _places(images: FoldImages) -> range:
    return range(len(images.scans))
