"""The colour scale that all scans of a page share, and where colours start."""

from collections.abc import Collection, Mapping

import numpy as np

from hrcam.report.viewer.cards import background
from hrcam.report.viewer.scan_view import ScanView

PLACES = 99.9
"""Percentile of the absolute values of a map within the subject where its colours end."""

# Over scans, so that few extreme values do not make all others pale.
_SCANS = 95.0
# At first at most this percentage of the subject is coloured, in half of the scans.
_COLOURED = 5.0


class Scale:
    """Collects the values of scans, one by one.

    Parameters
    ----------
    kinds
        The maps.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        self._tops: dict[str, list[float]] = {kind: [] for kind in kinds}
        self._weak: dict[str, list[float]] = {kind: [] for kind in kinds}

    def add(self, view: ScanView) -> None:
        """Count the maps of a scan."""
        subject = ~background(view)
        for kind, values in view.maps.items():
            size = np.abs(values)
            inside = size[subject] if subject.any() else size
            top, weak = np.percentile(inside, (PLACES, 100 - _COLOURED))
            self._tops[kind].append(float(top))
            self._weak[kind].append(float(weak))

    @property
    def limits(self) -> Mapping[str, float]:
        """Value where the colours of each kind of map end."""
        return {
            kind: float(np.percentile(tops, _SCANS)) or 1.0 for kind, tops in self._tops.items()
        }

    @property
    def thresholds(self) -> Mapping[str, float]:
        """Share of the limit below which nothing is coloured at first, to two digits."""
        limits = self.limits
        return {
            kind: min(round(float(np.median(weak)) / limits[kind], 2), 0.9)
            for kind, weak in self._weak.items()
        }
