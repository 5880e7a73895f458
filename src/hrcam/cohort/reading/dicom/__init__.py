"""DICOM: a folder with one series, or a single file, as one image with its place in space."""

from hrcam.cohort.reading.dicom.folders import count_single_images
from hrcam.cohort.reading.dicom.series import read_dicom

__all__ = ["count_single_images", "read_dicom"]
