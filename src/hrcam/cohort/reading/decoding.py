"""The one place where what a decoder throws becomes an error of ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from hrcam.cohort.problems import ImageError, Reason
from hrcam.errors import MachineError


@contextmanager
def decoding(
    name: str,
    reason: Reason = Reason.UNREADABLE,
    advice: str = "copy or export it again",
) -> Iterator[None]:
    """Turn whatever a decoder raises over a damaged file into an ``ImageError``.

    Decoders meet damaged files with errors of every type, from KeyError to struct.error; so
    nothing but calls of them belongs inside.

    Parameters
    ----------
    name : str
        Of the format, for the message.
    reason : Reason
        The code of the error.
    advice : str
        What to do about it.

    Raises
    ------
    ImageError
        In place of any other exception.
    """
    try:
        yield
    except (ImageError, MachineError):
        raise
    except MemoryError as error:
        raise too_large(name) from error
    except Exception as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise ImageError(reason, f"the {name} cannot be decoded ({said})", advice) from error


def too_large(name: str) -> ImageError:
    """Return the error for an image that does not fit into memory, as others do."""
    return ImageError(
        Reason.UNSUPPORTED,
        f"the {name} needs more memory than there is",
        "use fewer workers or a machine with more memory, or crop or downsample it",
    )
