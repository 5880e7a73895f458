"""Train classifiers: on images in memory, and on cohorts in files, cross-validated.

- `train_cohort`: a classifier with HR-CAM, from a cohort to the folder of a run.
- `TrainingConfig`, `Hardware`: what changes the result, and what does not.
- `Run`: a finished run, read from its folder.
"""

from hrcam.errors import require

require(__name__, "cohort", "lightning", "monai", "pandas", "pydantic")

from hrcam.training.cohort_training import TrainingReport, train_cohort
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.run import Run

__all__ = ["Hardware", "Run", "TrainingConfig", "TrainingReport", "train_cohort"]
