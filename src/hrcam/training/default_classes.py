"""The positive class and the reference class, as given or by the names of the classes."""

from hrcam.errors import InputError
from hrcam.maps.training_passes import CLASSES_AT_ONCE

_CONTROLS = {
    *("0", "cn", "control", "controls", "ctrl", "false", "hc", "healthy", "negative", "no"),
    *("none", "normal"),
}


def positive_class(classes: tuple[str, ...], wanted: str | None) -> str | None:
    """Return the positive class of two, for sensitivity; None for more classes.

    Raises
    ------
    InputError
        If the given class is not one of two classes.
    """
    if wanted is not None and (len(classes) != 2 or wanted not in classes):
        raise InputError(
            f"the positive class is {wanted!r}: name one of two classes, and these are "
            f"{', '.join(classes)}"
        )
    if wanted is not None or len(classes) != 2:
        return wanted
    patients = [name for name in classes if not _is_control(name)]
    return patients[0] if len(patients) == 1 else classes[-1]


def reference_class(classes: tuple[str, ...], wanted: str | None) -> str | None:
    """Return the reference class of the maps: the only class with the name of a control group.

    None if no class or several have such a name, or if there are very many classes; ``HRCAM.fit``
    then chooses references itself.

    Raises
    ------
    InputError
        If the given class does not exist, or there are too many classes for a reference.
    """
    if wanted is not None and wanted not in classes:
        raise InputError(
            f"the reference is {wanted!r}: name one of the classes, which are {', '.join(classes)}"
        )
    if wanted is not None and len(classes) > CLASSES_AT_ONCE:
        raise InputError(
            f"there is no reference among {len(classes)} classes, as there would be among up to "
            f"{CLASSES_AT_ONCE}: leave it out"
        )
    controls = [name for name in classes if _is_control(name)]
    if wanted is not None or len(controls) != 1 or len(classes) > CLASSES_AT_ONCE:
        return wanted
    return controls[0]


def _is_control(name: str) -> bool:
    return name.strip().casefold() in _CONTROLS


def check_classes(classes: tuple[str, ...]) -> None:
    """Raise InputError if a cohort has fewer than two classes."""
    if len(classes) < 2:
        raise InputError(
            f"the cohort has scans of {len(classes)} classes, and a classifier needs two or "
            "more: see the column label, or name another with --label-column (label_column=...)"
        )
