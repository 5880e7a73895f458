"""Errors and warnings. Each message says what was wrong, where, and what to do."""

import errno
from importlib.util import find_spec


class HRCAMError(Exception):
    """Base of every error of hrcam."""


class InputError(HRCAMError, ValueError):
    """Images, labels, classes or options that cannot be used."""


class NewerFormatError(InputError):
    """A file that a newer version of hrcam has written."""


class OlderFormatError(InputError):
    """A file of a format that is no longer read."""


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


class ArchiveError(HRCAMError, RuntimeError):
    """An archive of images that cannot be reached, or that will not have an object."""


class MachineError(HRCAMError, RuntimeError):
    """Memory, a device or a disk of this machine has failed or is full: the job cannot go on."""


def machine_error(error: BaseException) -> MachineError | None:
    """Return what an error says of the machine; None for an error of anything else.

    Parameters
    ----------
    error
        As raised by a library or the system.
    """
    if isinstance(error, MachineError):
        return error
    text = " ".join(str(error).split())
    if isinstance(error, OSError):
        advice = _OF_SYSTEM.get(error.errno or 0)
        if advice is None:
            return None
        place = f": {error.filename}" if error.filename else ""
        return MachineError(f"{error.strerror}{place}; {advice}")
    low = text.lower()
    if type(error).__name__ == "OutOfMemoryError" or (
        isinstance(error, RuntimeError) and "out of memory" in low
    ):
        return MachineError(f"the memory of the GPU is full ({text[:_LONGEST]}); {_GPU_MEMORY}")
    if isinstance(error, MemoryError) or "can't allocate memory" in low:
        return MachineError(f"the memory of this machine is full ({text[:_LONGEST]}); {_MEMORY}")
    if type(error).__name__ == "AcceleratorError" or (
        isinstance(error, RuntimeError) and any(sign in low for sign in _DEVICE_FAILED)
    ):
        return MachineError(f"the GPU has failed ({text[:_LONGEST]}); {_GPU_FAILED}")
    return None


_LONGEST = 200  # letters of a library's own message
_GO_ON = "the same command then goes on where it was"
_GPU_MEMORY = (
    "end other programs that use it, choose smaller batches or a smaller grid, or use another GPU; "
    + _GO_ON
)
_MEMORY = f"end other programs, use fewer workers or a larger machine; {_GO_ON}"
_GPU_FAILED = f"restart the job, on another GPU if it fails again; {_GO_ON}"
_DEVICE_FAILED = ("cuda error", "hip error", "cudnn_status", "cudnn error", "cublas_status")
_OF_SYSTEM = {
    errno.ENOSPC: f"free space on this disk, or choose a folder on another; {_GO_ON}",
    errno.EDQUOT: f"your share of this disk is used up: delete files, or choose another; {_GO_ON}",
    errno.EROFS: "this disk cannot be written to: choose a folder on another",
    errno.EIO: f"the disk or the network fails: see that it is connected; {_GO_ON}",
    errno.EMFILE: "too many files are open at once: use fewer workers, or raise `ulimit -n`",
    errno.ENFILE: "too many files are open on this machine: end other programs",
    errno.ENOMEM: _MEMORY,
}


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
