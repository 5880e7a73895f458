"""Frames in the order of the images that they were made from.

highdicom sorts frames along the normal, which reverses most series; viewers that lay frame n over
image n then show them upside down.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.clinical.source import Source


def put_in_source_order(made: Any, source: Source) -> None:
    """Sort the frames of an object: by segment, if it has any, then as the source's frames.

    Parameters
    ----------
    made : pydicom.Dataset
        A Parametric Map or a binary Segmentation in which each frame refers to one of the source.
    source
        The images, which are placed.
    """
    items = list(made.PerFrameFunctionalGroupsSequence)
    places = _places(items, source)
    shared = _segment(made.SharedFunctionalGroupsSequence[0])  # of all frames, if it is one
    segments = [_segment(item) or shared for item in items]
    order = sorted(range(len(items)), key=lambda k: (segments[k], places[k]))
    ranks = {place: rank for rank, place in enumerate(sorted(set(places)), start=1)}
    for item, segment, place in zip(items, segments, places, strict=True):
        of_segment = [segment] if segment else []
        item.FrameContentSequence[0].DimensionIndexValues = [*of_segment, ranks[place]]
    made.PerFrameFunctionalGroupsSequence = [items[k] for k in order]
    if "FloatPixelData" in made:
        frames = np.frombuffer(made.FloatPixelData, np.uint8).reshape(len(items), -1)
        made.FloatPixelData = frames[order].tobytes()
    else:
        made.PixelData = _packed(_unpacked(made, len(items))[order])


def _places(items: list[Any], source: Source) -> list[int]:
    """Return which frame of the source each frame is of."""
    uids = {str(image.SOPInstanceUID): place for place, image in enumerate(source.images)}
    places = []
    for item in items:
        image = item.DerivationImageSequence[0].SourceImageSequence[0]
        number = image.get("ReferencedFrameNumber")
        whole = number is None or len(source.images) > 1
        places.append(uids[image.ReferencedSOPInstanceUID] if whole else int(number) - 1)
    return places


def _segment(group: Any) -> int:
    found = group.get("SegmentIdentificationSequence")
    return int(found[0].ReferencedSegmentNumber) if found else 0


def _unpacked(made: Any, count: int) -> NDArray[np.uint8]:
    size = count * int(made.Rows) * int(made.Columns)
    bits = np.unpackbits(np.frombuffer(made.PixelData, np.uint8), bitorder="little")
    return bits[:size].reshape(count, -1)


def _packed(frames: NDArray[np.uint8]) -> bytes:
    content = np.packbits(frames.ravel(), bitorder="little").tobytes()
    return content + bytes(len(content) % 2)
