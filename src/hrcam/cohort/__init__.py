"""A cohort of images in files: its table, its images with their geometry, checks and splits.

- `open_cohort`: the scans of a folder, a table or a BIDS data set.
- `check_cohort`: every image decoded, every problem with what to do about it.
- `make_folds`: cross-validation in which nothing of a tested participant was trained on.

Examples
--------
>>> from hrcam.cohort import check_cohort, make_folds, open_cohort
>>> report = check_cohort(open_cohort("study"))  # doctest: +SKIP
>>> folds = make_folds(report.accepted.scans, report.voxel_hashes)  # doctest: +SKIP
"""

from hrcam.errors import require

require(__name__, "cohort", "nibabel", "openpyxl", "PIL", "pydicom")

from hrcam.cohort.check import CheckReport, check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.scan import Cohort, Scan
from hrcam.cohort.splits import Fold, make_folds

__all__ = [
    "CheckReport",
    "Cohort",
    "Fold",
    "Scan",
    "check_cohort",
    "make_folds",
    "open_cohort",
]
