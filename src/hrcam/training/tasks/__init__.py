"""What the networks of a run learn: one class of several for each scan, a value, or labels."""

from hrcam.training.config import TrainingConfig
from hrcam.training.tasks.classification import Classification
from hrcam.training.tasks.labels import Labels
from hrcam.training.tasks.regression import Regression
from hrcam.training.tasks.task import Targets, Task

__all__ = ["Classification", "Labels", "Regression", "Targets", "Task", "task_of"]


def task_of(config: TrainingConfig, classes: tuple[str, ...]) -> Task:
    """Return the task of a run.

    Parameters
    ----------
    config
        Options of the run.
    classes
        Names of the classes of its scans, sorted; ignored by other tasks.

    Raises
    ------
    InputError
        If the options do not fit the classes, or the task.
    """
    if config.task == "regression":
        return Regression.of(config)
    if config.task == "labels":
        return Labels.of(config)
    return Classification.of(classes, config)
