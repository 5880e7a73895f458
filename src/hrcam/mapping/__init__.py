"""Map a whole cohort, in the space of each image."""

from hrcam.errors import require

require(__name__, "cohort", "nibabel", "PIL", "threadpoolctl")

from hrcam.artifacts.scan_record import Form
from hrcam.mapping.inputs import open_input
from hrcam.mapping.job import MapReport, map_scans
from hrcam.mapping.selection import select_scans

__all__ = ["Form", "MapReport", "map_scans", "open_input", "select_scans"]
