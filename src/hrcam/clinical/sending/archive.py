"""What every archive offers, whichever protocol it speaks."""

from typing import Any, Protocol, Self

from hrcam.errors import ArchiveError


class NoAnswerError(ArchiveError):
    """An archive that does not answer, or not now: it may later."""


class RefusedError(ArchiveError):
    """An object that an archive will not have; others may be welcome."""


class Archive(Protocol):
    """Stores objects; used in a ``with`` statement."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def store(self, dataset: Any) -> None:
        """Store one object.

        Parameters
        ----------
        dataset : pydicom.Dataset
            With its file meta information.

        Raises
        ------
        NoAnswerError
            If it may succeed later.
        RefusedError
            If this object is not wanted.
        ArchiveError
            If nothing can be stored.
        """
