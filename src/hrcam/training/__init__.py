"""Train classifiers, on images in memory or cross-validated on a cohort of files.

- `train_cohort`: train a classifier with HR-CAM on a cohort, and write the folder of a run.
- `train_one_fold`: train one fold of a run, as one of several jobs.
- `TrainingConfig`, `Hardware`: options that change the result, and options that do not.
- `make_plan`, `read_plan`: the plan of a training, from what the checks found or from a file.
- `Run`: a finished run, read from its folder.
"""

from hrcam.errors import require

require(__name__, "cohort", "lightning", "monai", "pandas", "pydantic")

from hrcam.training.cohort_training import TrainingReport, train_cohort, train_one_fold
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.plan import Plan, read_plan
from hrcam.training.plan_rules import make_plan
from hrcam.training.run import Run

__all__ = [
    "Hardware",
    "Plan",
    "Run",
    "TrainingConfig",
    "TrainingReport",
    "make_plan",
    "read_plan",
    "train_cohort",
    "train_one_fold",
]
