"""Group maps of a cohort: the mean in each class, and the difference between classes."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.scan_record import KINDS, ScanRecord
from hrcam.errors import InputError
from hrcam.report.viewer.page_grid import PageGrid
from hrcam.report.viewer.scan_view import ScanView, read_grid

# Affines in files have single precision.
_AFFINE_DIGITS = 3
# Scans of a mean, and of each side of a difference.
_FEWEST_OF_MEAN, _FEWEST = 2, 3


@dataclass(frozen=True, eq=False)
class MeanMap:
    """Mean of the maps for one class over the scans of one true class.

    Attributes
    ----------
    kind
        "pattern" or "evidence".
    of_class
        The class that the maps explain.
    label
        The true class of the scans.
    scans
        Number of scans.
    mean
        Shape (x, y, z), on the grid of the page.
    variance
        Between scans, same shape; zero for one scan.
    image
        Mean of the grey values of the same scans' images, same shape; None if none could be read.
    """

    kind: str
    of_class: str
    label: str
    scans: int
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    image: NDArray[np.uint8] | None = None


@dataclass(frozen=True, eq=False)
class Difference:
    """Difference of the maps for one class between the scans of that class and all others.

    Attributes
    ----------
    kind, of_class
        As in `MeanMap`.
    others
        Labels of the other scans.
    scans
        Number of scans of the class, and of others.
    mean
        Mean over the scans of the class minus that over the others, shape (x, y, z).
    t
        The difference over its standard error, as in Welch's t-test, same shape; 0 where the
        maps are constant.
    image
        Mean of the grey values of all these scans' images, same shape; None if none could be read.
    """

    kind: str
    of_class: str
    others: tuple[str, ...]
    scans: tuple[int, int]
    mean: NDArray[np.float64]
    t: NDArray[np.float64]
    image: NDArray[np.uint8] | None = None


@dataclass(eq=False)
class _Running:
    """Running mean and sum of squared deviations of maps (Welford's algorithm)."""

    count: int = 0
    mean: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.zeros(()))

    def add(self, values: NDArray[np.float64]) -> None:
        self.count += 1
        deviation = values - self.mean
        self.mean = self.mean + deviation / self.count
        self.squares = self.squares + deviation * (values - self.mean)


class GroupMaps:
    """Accumulates the maps of scans that share one grid.

    Only maps for the same class can be averaged. Maps of the predicted class are therefore averaged
    over the correctly predicted scans of that class. With two classes, the evidence for one is the
    negative of that for the other: its sign is changed to that of the last class, and all scans
    count. Patterns of two classes are not opposite and keep their sign. Scans that the networks
    were trained on are excluded if each class has at least three others.

    Parameters
    ----------
    records
        All scans; only those with a label are used.
    classes
        Names of all classes.
    """

    def __init__(self, records: Sequence[ScanRecord], classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._keys: dict[str, str] = {}
        for record in records:
            try:
                if record.stratum is not None:
                    self._keys[record.scan] = _key(read_grid(record))
            except InputError:
                continue  # reported where the map itself is read
        self._common = next((key for key, _ in Counter(self._keys.values()).most_common(1)), "")
        self._trained_on = self._seen_to_leave_out(records)
        self._maps: dict[tuple[str, str, str], _Running] = {}
        self._taken: set[tuple[str, str, str]] = set()
        self._images: dict[tuple[str, str, str], _Running] = {}
        self._scans: dict[str, bool] = {}
        self.grid: PageGrid | None = None

    @property
    def labelled(self) -> int:
        """Number of scans with a label."""
        return len(self._keys)

    @property
    def left_out(self) -> int:
        """Number of scans on the common grid excluded because networks were trained on them."""
        return len(self._trained_on)

    @property
    def used(self) -> int:
        """Number of scans used so far."""
        return len(self._scans)

    @property
    def seen(self) -> int:
        """Number of used scans that the networks were trained on."""
        return sum(self._scans.values())

    def wants(self, record: ScanRecord) -> bool:
        """Return whether a scan is used: it has a label, the common grid, and is not excluded."""
        return self._is_common(record) and record.scan not in self._trained_on

    def add(self, record: ScanRecord, view: ScanView) -> None:
        """Add the maps of a scan, if it is used."""
        if record.stratum is None or not self.wants(record):
            return
        view = view.reduced()
        self.grid = view.grid
        for kind in view.maps:
            of_class, sign = record.map_class, 1
            if kind == "evidence" and len(self._classes) == 2 and of_class != self._classes[-1]:
                of_class, sign = self._classes[-1], -1
            # A scan may have maps for several classes, which become one after the change of sign.
            if (kind, of_class, record.scan) in self._taken:
                continue
            self._taken.add((kind, of_class, record.scan))
            key = (kind, of_class, record.stratum)
            maps, images = (part.setdefault(key, _Running()) for part in (self._maps, self._images))
            maps.add(sign * view.maps[kind].astype(np.float64))
            if view.image is not None:
                images.add(view.image.astype(np.float64))
        self._scans[record.scan] = record.seen_in_training

    def means(self) -> tuple[MeanMap, ...]:
        """Return the mean maps of each kind and class.

        If every scan has a map for the class, there is one mean for each true class; else one mean
        over the scans of that class that have a map. A single scan has no mean.
        """
        return tuple(mean for mean in self._groups() if mean.scans >= _FEWEST_OF_MEAN)

    @property
    def single(self) -> tuple[str, ...]:
        """True classes without a mean because only one scan has such a map, sorted."""
        few = (mean.label for mean in self._groups() if mean.scans < _FEWEST_OF_MEAN)
        return tuple(sorted(set(few)))

    def _groups(self) -> tuple[MeanMap, ...]:
        """Return the means of all groups, also of one scan."""
        means = []
        for (kind, of_class, label), running in sorted(
            self._maps.items(), key=lambda item: (KINDS.index(item[0][0]), item[0])
        ):
            if self._complete(kind, of_class) or of_class == label:
                variance = running.squares / max(running.count - 1, 1)
                image = _mean_image([self._images[kind, of_class, label]])
                scans, mean = running.count, running.mean
                means.append(MeanMap(kind, of_class, label, scans, mean, variance, image))
        return tuple(means)

    def differences(self) -> tuple[Difference, ...]:
        """Return the differences between the class of the maps and all others.

        Only for classes for which every scan has a map, with at least three scans per group.
        """
        found = []
        means = self._groups()
        for kind, of_class in dict.fromkeys((mean.kind, mean.of_class) for mean in means):
            maps = [mean for mean in means if (mean.kind, mean.of_class) == (kind, of_class)]
            inside = [mean for mean in maps if mean.label == of_class]
            outside = [mean for mean in maps if mean.label != of_class]
            if not inside or not outside:
                continue
            rest = _pooled(outside)
            if min(inside[0].scans, rest.scans) >= _FEWEST:
                labels = tuple(mean.label for mean in outside)
                image = _mean_image([self._images[kind, of_class, mean.label] for mean in maps])
                found.append(_difference(inside[0], rest, labels, image))
        return tuple(found)

    def tops(self, kind: str, percent: float) -> tuple[float, ...]:
        """Return a percentile of the absolute values of each mean and difference of a kind."""
        maps = [mean.mean for mean in self.means() if mean.kind == kind]
        maps += [each.mean for each in self.differences() if each.kind == kind]
        return tuple(float(np.percentile(np.abs(values), percent)) for values in maps)

    def _is_common(self, record: ScanRecord) -> bool:
        return record.stratum is not None and self._keys.get(record.scan) == self._common

    def _seen_to_leave_out(self, records: Sequence[ScanRecord]) -> frozenset[str]:
        common = [record for record in records if self._is_common(record)]
        unseen = {each.scan: each.stratum for each in common if not each.seen_in_training}
        counts = Counter(unseen.values())
        if any(counts[label] < _FEWEST for label in {record.stratum for record in common}):
            return frozenset()
        return frozenset(record.scan for record in common) - unseen.keys()

    def _complete(self, kind: str, of_class: str) -> bool:
        counts = (
            running.count
            for (each, name, _), running in self._maps.items()
            if (each, name) == (kind, of_class)
        )
        return sum(counts) == self.used


def _key(grid: PageGrid) -> str:
    affine = "" if grid.affine is None else grid.affine.round(_AFFINE_DIGITS).tolist()
    return f"{grid.shape} {affine}"


def _pooled(parts: Sequence[MeanMap]) -> MeanMap:
    """Join the scans of several labels into one group."""
    scans = sum(part.scans for part in parts)
    mean = sum((part.scans * part.mean for part in parts), np.zeros(())) / scans
    squares = sum(
        ((part.scans - 1) * part.variance + part.scans * (part.mean - mean) ** 2 for part in parts),
        np.zeros(()),
    )
    first = parts[0]
    return MeanMap(
        first.kind, first.of_class, first.label, scans, mean, squares / max(scans - 1, 1)
    )


def _mean_image(parts: Sequence[_Running]) -> NDArray[np.uint8] | None:
    """Return the mean grey values of all images of several groups."""
    images = sum(part.count for part in parts)
    if not images:
        return None
    total = sum((part.count * part.mean for part in parts), np.zeros(()))
    mean: NDArray[np.uint8] = (total / images).round().astype(np.uint8)
    return mean


def _difference(
    inside: MeanMap, rest: MeanMap, others: tuple[str, ...], image: NDArray[np.uint8] | None
) -> Difference:
    mean = inside.mean - rest.mean
    error = np.sqrt(inside.variance / inside.scans + rest.variance / rest.scans)
    t = np.divide(mean, error, out=np.zeros_like(mean), where=error > 0)
    scans = (inside.scans, rest.scans)
    return Difference(inside.kind, inside.of_class, others, scans, mean, t, image)
