"""Train classifiers, on images in memory or cross-validated on a cohort of files.

- `train_cohort`: train a classifier with HR-CAM on a cohort, and write the folder of a run.
- `train_one_fold`: train one fold of a run, as one of several jobs.
- `TrainingConfig`, `Hardware`: options that change the result, and options that do not.
- `Run`: a finished run, read from its folder.
"""

from hrcam.errors import require

require(__name__, "cohort", "lightning", "monai", "pandas", "pydantic")

from hrcam.training.cohort_training import TrainingReport, train_cohort, train_one_fold
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.run import Run

__all__ = [
    "Hardware",
    "Run",
    "TrainingConfig",
    "TrainingReport",
    "train_cohort",
    "train_one_fold",
]
