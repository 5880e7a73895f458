"""Send DICOM objects to an archive, by DICOMweb or by C-STORE."""

from hrcam.clinical.sending.send import SendReport, send_objects

__all__ = ["SendReport", "send_objects"]
