"""What DICOM objects say of a map, beside its values."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """Whose map it is, and what made it.

    Attributes
    ----------
    map_class, predicted
        The class that the map explains, and the most probable one.
    probabilities
        Of each class, by name, in the order of the classes.
    training
        What tells the training from others: digits of a hash.
    version
        Of hrcam.
    folds
        Whose networks made the map, counted from 1.
    seen_in_training
        Whether these networks were trained on the scan.
    unlike_training
        Whether the scan is unlike those of the training; None where that is not known.
    """

    map_class: str
    predicted: str
    probabilities: Mapping[str, float]
    training: str
    version: str
    folds: tuple[int, ...]
    seen_in_training: bool
    unlike_training: bool | None
