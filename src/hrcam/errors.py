"""What hrcam raises: each message says what was wrong, where, and what to do."""

from importlib.util import find_spec


class HRCAMError(Exception):
    """Base of every error that hrcam raises on purpose."""


class InputError(HRCAMError, ValueError):
    """Images, labels, classes or options that cannot be used as they are."""


class LevelError(HRCAMError, ValueError):
    """A model without usable feature maps, or a level that is not where it was said to be."""


class GradientError(HRCAMError, ValueError):
    """A model that no gradient can pass, where a method needs one."""


class TrainingError(HRCAMError, RuntimeError):
    """A training that cannot come to anything any more."""


class FitError(HRCAMError, ValueError):
    """Data from which no head can be learnt: empty, one class only, a class without images."""


class NotFittedError(HRCAMError, RuntimeError):
    """Something was asked for that only ``fit`` can make."""


class LoadError(HRCAMError, ValueError):
    """A saved explainer that is damaged, or that does not belong to this model."""


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
    """Base of every warning that hrcam gives."""
