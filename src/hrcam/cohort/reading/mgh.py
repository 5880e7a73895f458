"""FreeSurfer's volumes: MGH, and MGZ, which is MGH gzipped."""

import math
from pathlib import Path
from typing import Any

import numpy as np

from hrcam.cohort.image import Image
from hrcam.cohort.problems import Caution, Reason
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.geometry import check_affine, shear_cautions
from hrcam.cohort.reading.headers import check_voxel_size, one_volume
from hrcam.cohort.reading.shapes import spatial_shape
from hrcam.cohort.reading.streams import open_stream, truncated

_HEADER = 284  # bytes; what follows the voxels is optional
_CHUNK = 1 << 20
# Rows, not columns, are the directions of the axes. nibabel 5.4 puts them in as columns.
_CORONAL = ((-1, 0, 0), (0, 0, -1), (0, 1, 0))
_NO_PLACE = Caution(
    Reason.NO_ORIENTATION,
    "the header does not say where the voxels are: taken as FreeSurfer does, in coronal slices",
    "convert the original data again with a program that keeps the orientation",
)


def read_mgh(path: Path) -> Image:
    """Decode a volume of FreeSurfer.

    Parameters
    ----------
    path : Path
        A file that starts as MGH does, gzipped or not.

    Returns
    -------
    Image
        Shape (1, *spatial) in the file's order of axes, with the file's affine.

    Raises
    ------
    ImageError
        If the file is damaged, or is not one slice or volume.
    """
    from nibabel.freesurfer import mghformat

    kind: Any = mghformat.MGHHeader
    with open_stream(path) as stream:
        head = stream.take(_HEADER)
        if len(head) < _HEADER:
            raise truncated(f"the file ends after {len(head)} bytes, within its header")
        with decoding("MGH header"):
            header = kind(head, check=False)
            placed = bool(int.from_bytes(head[28:30], "big"))
            if not placed:
                header["Mdc"] = _CORONAL
            dtype = np.dtype(header.get_data_dtype()).newbyteorder(">")
        stored = one_volume(tuple(int(size) for size in header["dims"]))
        shape = spatial_shape(stored)
        check_voxel_size([float(size) for size in header["delta"]])
        size = math.prod(shape) * dtype.itemsize
        raw = stream.take_voxels(_HEADER, _HEADER, size, least=_HEADER)
        while stream.take(_CHUNK):  # tags, and gzip's checksum
            pass
    affine = np.asarray(header.get_affine(), np.float64)
    check_affine(affine)
    voxels = np.frombuffer(raw, dtype).reshape(shape, order="F").astype(np.float32, order="C")
    cautions = shear_cautions(affine) if placed else (_NO_PLACE,)
    return Image(voxels[None], affine, stored, "mgh", cautions=cautions, encoding=dtype.name)
