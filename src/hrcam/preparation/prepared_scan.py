"""A scan that was read and prepared; a cache keeps it, so that it is decoded once."""

import io
import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.cache import Cache
from hrcam.cohort.image import PLACED, Image, ImageSpace
from hrcam.cohort.reading import read_scan
from hrcam.cohort.reading.content import content_hash
from hrcam.cohort.scan import Scan
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.preparation.grid import Grid
from hrcam.preparation.preparation import Preparation, PreparedImage


@dataclass(frozen=True, eq=False)
class PreparedScan:
    """What is needed of a scan once it has been read and prepared.

    Attributes
    ----------
    voxel_hash
        Of the images.
    space
        Where the voxels of the images are.
    prepared
        The input of the network.
    picture
        Grey values of a picture, (rows, columns), to lay its map over; None for other images.
    """

    voxel_hash: str
    space: ImageSpace
    prepared: PreparedImage
    picture: NDArray[np.float32] | None


def prepare_scan(scan: Scan, preparation: Preparation, cache: Cache | None = None) -> PreparedScan:
    """Read a scan and prepare it, or take what was prepared before from a cache.

    Parameters
    ----------
    scan
        The scan.
    preparation
        Prepares its image.
    cache
        Of prepared scans; None to decode the files in any case.

    Raises
    ------
    ImageError
        If an image cannot be used.
    """
    if cache is None:
        return _decoded(scan, preparation)
    return cache.result(
        lambda: content_hash(scan),
        ["prepared scan", preparation.model_dump_json()],
        lambda: _decoded(scan, preparation),
        _encoded,
        _restored,
    )


def _decoded(scan: Scan, preparation: Preparation) -> PreparedScan:
    image = read_scan(scan)
    return PreparedScan(
        voxel_hash(image), ImageSpace.of(image), preparation.apply(image), _picture(image, scan)
    )


def _picture(image: Image, scan: Scan) -> NDArray[np.float32] | None:
    """Return the first image of a scan as grey values, if it is a picture."""
    if image.format in PLACED or len(image.shape) != 2:
        return None
    colours = 3 if scan.colour == "rgb" else 1
    grey: NDArray[np.float32] = image.voxels[:colours].mean(0)
    return grey


def _encoded(scan: PreparedScan) -> bytes:
    """Encode a line of JSON and the arrays, bit by bit."""
    space, grid = scan.space, scan.prepared.grid
    about = {
        "voxel_hash": scan.voxel_hash,
        "format": space.format,
        "shape": space.shape,
        "stored_shape": space.stored_shape,
        "axes": grid.axes,
        "starts": grid.starts,
        "steps": grid.steps,
        "picture": scan.picture is not None,
    }
    buffer = io.BytesIO()
    buffer.write(json.dumps(about).encode() + b"\n")
    arrays: list[NDArray[Any]] = [space.affine, scan.prepared.voxels]
    if scan.picture is not None:
        arrays.append(_narrowed(scan.picture))
    for array in arrays:
        np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def _restored(content: bytes) -> PreparedScan:
    buffer = io.BytesIO(content)
    about = json.loads(buffer.readline())
    affine, voxels = (np.load(buffer, allow_pickle=False) for _ in range(2))
    picture = np.load(buffer, allow_pickle=False) if about["picture"] else None
    shape = tuple(about["shape"])
    grid = Grid(
        shape,
        voxels.shape[1:],
        tuple(about["axes"]),
        tuple(about["starts"]),
        tuple(about["steps"]),
    )
    return PreparedScan(
        about["voxel_hash"],
        ImageSpace(about["format"], shape, tuple(about["stored_shape"]), affine),
        PreparedImage(voxels, grid),
        None if picture is None else picture.astype(np.float32, copy=False),
    )


def _narrowed(picture: NDArray[np.float32]) -> NDArray[Any]:
    """Return the values in the smallest type that holds them exactly."""
    for kind in (np.uint8, np.uint16):
        limits = np.iinfo(kind)
        if limits.min <= picture.min() and picture.max() <= limits.max:
            narrow = picture.astype(kind)
            if np.array_equal(narrow, picture):
                return narrow
    return picture
