"""DICOM: a folder with one series, or a single file, as one image with its place in space."""

from hrcam.cohort.reading.dicom.series import read_dicom

__all__ = ["read_dicom"]
