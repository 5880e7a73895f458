"""An archive that speaks DICOMweb (STOW-RS)."""

from typing import Any, Self

from hrcam.clinical.sending.archive import NoAnswerError, RefusedError
from hrcam.errors import ArchiveError

_SECONDS = (10, 120)  # to connect, and to answer
_LATER = (408, 425, 429)
_NO_ACCESS = (401, 403)
_NO_SERVICE = (404, 405, 501)


class DicomWeb:
    """A DICOMweb service; user name and password are those of ``~/.netrc``.

    Parameters
    ----------
    url
        What precedes ``/studies``.
    """

    def __init__(self, url: str) -> None:
        import requests
        from dicomweb_client import DICOMwebClient

        self._session = requests.Session()
        self._client = DICOMwebClient(url, session=self._session, timeout=_SECONDS)
        self._client.set_http_retry_params(retry=False)  # objects are sent again, not requests

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def store(self, dataset: Any) -> None:
        """Store one object; raises as `Archive.store`."""
        import requests

        try:
            answer = self._client.store_instances([dataset])
        except requests.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            raise _of_status(status) from error
        except requests.exceptions.SSLError as error:
            raise ArchiveError(
                "its certificate is not trusted: name the one of your hospital in the variable "
                "REQUESTS_CA_BUNDLE"
            ) from error
        except requests.RequestException as error:
            raise NoAnswerError(f"it does not answer ({type(error).__name__})") from error
        failed = answer.get("FailedSOPSequence")
        if failed:
            reason = failed[0].get("FailureReason", 0)
            raise RefusedError(f"the archive refused it (failure reason {reason:#06x})")


def _of_status(status: int) -> ArchiveError:
    if status in _NO_ACCESS:
        return ArchiveError(
            f"it asks for a user name and a password (HTTP {status}): write them into ~/.netrc"
        )
    if status in _NO_SERVICE:
        return ArchiveError(
            f"there is no DICOMweb service (HTTP {status}): give the address that precedes /studies"
        )
    if status >= 500 or status in _LATER:
        return NoAnswerError(f"it answers with HTTP {status}")
    return RefusedError(f"the archive refused it (HTTP {status})")
