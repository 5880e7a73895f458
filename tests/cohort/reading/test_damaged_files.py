"""Any cut and any changed byte: an image or an ImageError, never another exception."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from broken_files import dicom_slice, save, volume, write_nifti, write_png
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.uid import RLELossless

from hrcam.cohort.problems import ImageError
from hrcam.cohort.reading import read_image

pytestmark = [  # Pillow warns of what is then refused
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
]
SMALL = volume((7, 6, 5))
FORMATS = ("x.nii", "x.nii.gz", "x.png", "x.jpg", "x.tif", "x.npy", "x.dcm", "rle.dcm")
CHECKSUMS = ("x.nii.gz", "x.png")  # the content is protected, so a changed byte is found


@cache
def original(name):
    """Content and voxels of a small file."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        if path.suffix in (".nii", ".gz"):
            write_nifti(path, SMALL)
        elif path.suffix == ".npy":
            np.save(path, SMALL)
        elif path.suffix == ".dcm":
            dataset = dicom_slice(SMALL[0].astype(np.uint16), (0, 0, 0))
            if name == "rle.dcm":
                dataset.compress(RLELossless)
            save(dataset, path)
        else:
            write_png(path)
        return path.read_bytes(), read_image(path).voxels


def read_or_refuse(path, content):
    path.write_bytes(content)
    try:
        image = read_image(path)
    except ImageError:
        return None
    assert image.voxels.dtype == np.float32
    assert image.voxels.ndim in (3, 4)
    assert image.voxels.shape[0] == 1
    assert np.isfinite(image.voxels).all()
    assert np.isfinite(image.affine).all()
    return image.voxels


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40)
@given(share=st.floats(0, 1, exclude_max=True))
@example(share=0.0)
@example(share=0.999999)
def test_any_cut_is_refused_or_loses_nothing(tmp_path_factory, name, share):
    content, voxels = original(name)
    path = tmp_path_factory.mktemp("cut") / name
    read = read_or_refuse(path, content[: int(share * len(content))])
    # What follows the pixels may be lost: an end mark, padding.
    assert read is None or np.array_equal(read, voxels)
    if name in ("x.nii", "x.nii.gz", "x.npy"):
        assert read is None


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), value=st.integers(0, 255))
def test_any_changed_byte_gives_an_image_or_a_refusal(tmp_path_factory, name, place, value):
    content, voxels = original(name)
    damaged = bytearray(content)
    damaged[int(place * len(content))] = value
    read = read_or_refuse(tmp_path_factory.mktemp("changed") / name, bytes(damaged))
    if name in CHECKSUMS:
        assert read is None or np.array_equal(read, voxels)
