"""Every supported file as voxels with their place in space, or an error that says what is wrong.

>>> from hrcam.cohort.reading import read_image
>>> image = read_image(path)  # doctest: +SKIP
>>> image.voxels.shape, image.spacing  # doctest: +SKIP
((1, 182, 218, 182), (1.0, 1.0, 1.0))
"""

from hrcam.cohort.reading.detection import is_image, name_without_suffix
from hrcam.cohort.reading.dicom import count_single_images
from hrcam.cohort.reading.masks import read_mask
from hrcam.cohort.reading.reader import read_image
from hrcam.cohort.reading.scans import read_scan

__all__ = [
    "count_single_images",
    "is_image",
    "name_without_suffix",
    "read_image",
    "read_mask",
    "read_scan",
]
