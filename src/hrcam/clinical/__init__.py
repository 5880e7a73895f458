"""DICOM objects of maps, and sending them to an archive."""

from hrcam.errors import require

require(
    __name__,
    "dicom",
    "dicomweb_client",
    "highdicom",
    "nibabel",
    "PIL",
    "pydicom",
    "pynetdicom",
    "requests",
)

from hrcam.clinical.about import About
from hrcam.clinical.objects import encode_objects

__all__ = ["About", "encode_objects"]
