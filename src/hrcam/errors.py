"""Errors and warnings. Each message says what was wrong, where, and what to do."""

from importlib.util import find_spec


class HRCAMError(Exception):
    """Base of every error of hrcam."""


class InputError(HRCAMError, ValueError):
    """Images, labels, classes or options that cannot be used."""


class NewerFormatError(InputError):
    """A file that a newer version of hrcam has written."""


class LevelError(HRCAMError, ValueError):
    """A model without usable feature maps, or a level that does not exist in it."""


class GradientError(HRCAMError, ValueError):
    """A model without gradients, where a method needs them."""


class TrainingError(HRCAMError, RuntimeError):
    """A training that has failed, such as one that diverged."""


class FitError(HRCAMError, ValueError):
    """Data from which no head can be fitted: empty, one class only, a class without images."""


class NotFittedError(HRCAMError, RuntimeError):
    """An explainer is used before ``fit``."""


class LoadError(HRCAMError, ValueError):
    """A saved explainer that is damaged, or that was fitted on another model."""


class MissingExtraError(HRCAMError, ImportError):
    """A part of hrcam that needs packages which ``pip install hrcam`` alone does not bring."""


def require(part: str, extra: str, *packages: str) -> None:
    """Refuse to import a part of hrcam whose packages are not installed.

    Call it first in the part, so that the error names the extra, not the first missing package.

    Parameters
    ----------
    part
        ``__name__`` of the part.
    extra
        The extra in ``pyproject.toml`` that brings the packages.
    packages
        Import names of what the part needs and the core does not.

    Raises
    ------
    MissingExtraError
        If a package is missing.
    """
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        raise MissingExtraError(
            f"{part} needs {', '.join(missing)}: pip install 'hrcam[{extra}]'", name=missing[0]
        )


class HRCAMWarning(UserWarning):
    """Base of every warning of hrcam."""
