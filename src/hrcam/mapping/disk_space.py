"""Whether the maps of a job will fit on the disk, said after the first of them."""

import logging
import shutil
import threading
from pathlib import Path

from hrcam.errors import MachineError

logger = logging.getLogger(__name__)

# Scans of a cohort differ in size: below this share of the estimate, the maps cannot fit.
_SURELY_TOO_LITTLE = 0.5


class DiskSpace:
    """Compares the free space of a folder's disk with what the maps of all scans need.

    Parameters
    ----------
    folder
        Where the maps are written.
    scans
        Number of scans to map.
    """

    def __init__(self, folder: Path, scans: int) -> None:
        self._folder, self._scans = folder, scans
        self._once = threading.Lock()

    def check(self, size: int) -> None:
        """Compare, at the first call; later ones do nothing. Calls from several threads are safe.

        Parameters
        ----------
        size
            Bytes of the files of one scan, which are not yet written.

        Raises
        ------
        MachineError
            If the disk has less than half of what all scans need if they are alike.
        """
        if not self._once.acquire(blocking=False):
            return
        needed, free = size * self._scans, shutil.disk_usage(self._folder).free
        if free >= needed:
            return
        message = (
            f"the maps of {self._scans} scans need about {needed / 1e9:.3g} GB, by those of the "
            f"first, and the disk of {self._folder.name} has {free / 1e9:.3g} GB free: free space, "
            "choose a folder on another disk, or leave maps out with --maps pattern"
        )
        if free < _SURELY_TOO_LITTLE * needed:
            raise MachineError(message)
        logger.warning("%s", message)
