"""An archive that speaks C-STORE."""

from typing import Any, Self

from hrcam.clinical.sending.archive import NoAnswerError, RefusedError
from hrcam.errors import ArchiveError

CALLING = "HRCAM"
"""AE title by which an archive knows us."""

_SECONDS_TO_CONNECT, _SECONDS_TO_ANSWER = 10, 120
_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.30": "Parametric Map",
    "1.2.840.10008.5.1.4.1.1.66.4": "Segmentation",
    "1.2.840.10008.5.1.4.1.1.88.33": "Comprehensive SR",
    "1.2.840.10008.5.1.4.1.1.88.34": "Comprehensive 3D SR",
}
_STORED_WITH_REMARKS, _OUT_OF_RESOURCES = 0xB000, 0xA700


class Dimse:
    """A storage service.

    Parameters
    ----------
    title
        Its AE title.
    host, port
        Where it listens.
    """

    def __init__(self, title: str, host: str, port: int) -> None:
        from pydicom.uid import ExplicitVRLittleEndian
        from pynetdicom import AE

        self._title, self._host, self._port = title, host, port
        self._entity = AE(CALLING)
        self._entity.connection_timeout = _SECONDS_TO_CONNECT
        self._entity.acse_timeout = _SECONDS_TO_CONNECT
        self._entity.dimse_timeout = self._entity.network_timeout = _SECONDS_TO_ANSWER
        for uid in _CLASSES:
            self._entity.add_requested_context(uid, ExplicitVRLittleEndian)
        self._association: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._association is not None and self._association.is_established:
            self._association.release()

    def store(self, dataset: Any) -> None:
        """Store one object; raises as `Archive.store`."""
        association = self._associated()
        if not any(
            context.abstract_syntax == dataset.SOPClassUID
            for context in association.accepted_contexts
        ):
            kind = _CLASSES.get(dataset.SOPClassUID, "these")
            raise RefusedError(f"the archive does not take {kind} objects")
        answer = association.send_c_store(dataset)
        status = answer.get("Status")
        if status is None:
            association.abort()
            raise NoAnswerError("it does not answer a C-STORE request")
        if status & 0xFF00 == _OUT_OF_RESOURCES:
            raise NoAnswerError(f"it is out of resources (status {status:#06x})")
        if status and status & 0xF000 != _STORED_WITH_REMARKS:
            raise RefusedError(f"the archive refused it (status {status:#06x})")

    def _associated(self) -> Any:
        """Return the association, a new one if the last was lost."""
        if self._association is None or not self._association.is_established:
            self._association = self._entity.associate(self._host, self._port, ae_title=self._title)
        if self._association.is_established:
            return self._association
        if self._association.is_rejected:
            raise ArchiveError(
                f"it rejects the association: see that its AE title is {self._title}, and that it "
                f"knows {CALLING} as a sender"
            )
        raise NoAnswerError("it does not answer")
