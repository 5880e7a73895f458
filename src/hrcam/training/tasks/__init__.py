"""What the networks of a run learn: one class of several for each scan, or a value."""

from hrcam.training.config import TrainingConfig
from hrcam.training.tasks.classification import Classification
from hrcam.training.tasks.regression import Regression
from hrcam.training.tasks.task import Targets, Task

__all__ = ["Classification", "Regression", "Targets", "Task", "task_of"]


def task_of(config: TrainingConfig, classes: tuple[str, ...]) -> Task:
    """Return the task of a run.

    Parameters
    ----------
    config
        Options of the run.
    classes
        Names of the classes of its scans, sorted; ignored by a regression.

    Raises
    ------
    InputError
        If the options do not fit the classes, or the task.
    """
    if config.task == "regression":
        return Regression.of(config)
    return Classification.of(classes, config)
