"""Read all images of a scan as the channels of one."""

from dataclasses import replace

import numpy as np

from hrcam.cohort.image import Image
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading.grids import grid_difference
from hrcam.cohort.reading.reader import read_image
from hrcam.cohort.scan import Scan


def read_scan(scan: Scan) -> Image:
    """Read the images of a scan and stack them as channels, in the cohort's order.

    Parameters
    ----------
    scan : Scan
        With at least one image.

    Returns
    -------
    Image
        Shape (C, *spatial); the place in space is that of the first channel.

    Raises
    ------
    ImageError
        If an image cannot be used, or channels differ in shape or place.
    """
    names = list(scan.images)
    channels = [_read_channel(scan, name) for name in names]
    first = channels[0]
    for name, channel in zip(names[1:], channels[1:], strict=True):
        difference = grid_difference(first, channel)
        if difference:
            raise ImageError(
                Reason.CHANNEL_MISMATCH,
                f"channels {names[0]!r} and {name!r} differ: {difference}",
                f"register and resample {name!r} onto {names[0]!r}",
            )
    cautions = dict.fromkeys(caution for channel in channels for caution in channel.cautions)
    encodings = dict.fromkeys(channel.encoding for channel in channels)
    return replace(
        first,
        voxels=np.concatenate([channel.voxels for channel in channels]),
        cautions=tuple(cautions),
        encoding=", ".join(encodings),
    )


def _read_channel(scan: Scan, name: str) -> Image:
    try:
        return read_image(scan.images[name], scan.colour)
    except ImageError as error:
        if len(scan.images) == 1:
            raise
        message = f"channel {name!r}: {error.message}"
        raise ImageError(error.reason, message, error.advice) from error
