"""Addresses of archives: a URL, or AE@HOST:PORT."""

import re
from urllib.parse import urlsplit

from hrcam.clinical.sending.archive import Archive
from hrcam.clinical.sending.dicomweb import DicomWeb
from hrcam.clinical.sending.dimse import Dimse
from hrcam.errors import InputError

_DIMSE = re.compile(r"(?P<title>[^@\\]{1,16})@(?P<host>\[[^\]]+\]|[^:@/\s]+):(?P<port>\d{1,5})")


def open_archive(address: str) -> Archive:
    """Return the archive at an address, which is not asked anything yet.

    Raises
    ------
    InputError
        If the address is not one, or holds a password.
    """
    if "://" in address:
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _not_an_address(address)
        if parts.username or parts.password:
            raise InputError(
                "the address of the archive holds a user name or password, which others would see: "
                "write them into ~/.netrc"
            )
        return DicomWeb(address.rstrip("/"))
    found = _DIMSE.fullmatch(address)
    if found is None or not 0 < int(found["port"]) < 1 << 16:
        raise _not_an_address(address)
    return Dimse(found["title"].strip(), found["host"].strip("[]"), int(found["port"]))


def _not_an_address(address: str) -> InputError:
    return InputError(
        f"{address!r} is no address of an archive: write http://HOST/dicom-web or AE@HOST:PORT"
    )
