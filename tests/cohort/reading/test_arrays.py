"""NumPy arrays: numbers of two or three axes, and nothing that runs code."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import read_image


def save(path, array):
    np.save(path, array)
    return path


def reason_for(path):
    with pytest.raises(ImageError) as refused:
        read_image(path)
    return refused.value.reason


@given(
    array=arrays.arrays(
        dtype=st.sampled_from(["?", "u1", "<i2", ">i4", "u8", "f2", "<f4", ">f8"]),
        shape=st.sampled_from([(5, 6), (5, 6, 7), (1, 5, 6), (5, 6, 1)]),
        elements=st.integers(0, 1),
        fill=st.just(0),
    ),
    fortran=st.booleans(),
)
def test_values_come_back_as_they_were_saved(tmp_path_factory, array, fortran):
    path = tmp_path_factory.mktemp("arrays") / "x.npy"
    array.flat[:2] = 0, 1
    save(path, np.asfortranarray(array) if fortran else array)
    image = read_image(path)
    np.testing.assert_array_equal(image.voxels[0], np.squeeze(array).astype(np.float32))
    assert (image.format, image.stored_shape) == ("array", array.shape)
    np.testing.assert_array_equal(image.affine, np.eye(4))


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.ones((4, 5), complex), Reason.UNSUPPORTED),
        (np.array([["a", "b"]]), Reason.UNSUPPORTED),
        (np.array([[None, print]]), Reason.UNSUPPORTED),
        (np.zeros((4, 5), [("x", "f4")]), Reason.UNSUPPORTED),
        (np.arange(5.0), Reason.UNSUPPORTED),
        (np.zeros((5, 6, 3)), Reason.UNSUPPORTED),  # colours, or three slices?
        (np.zeros((5, 6, 7, 8)), Reason.UNSUPPORTED),
        (np.zeros((5, 0)), Reason.EMPTY),
        (np.zeros((5, 6)), Reason.CONSTANT),
        (np.full((5, 6), 1e300), Reason.NOT_FINITE),
    ],
)
def test_other_arrays_are_refused(tmp_path, array, reason):
    assert reason_for(save(tmp_path / "x.npy", array)) == reason


def test_an_array_cut_or_with_surplus_is_refused(tmp_path):
    path = save(tmp_path / "x.npy", np.arange(30.0).reshape(5, 6))
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert reason_for(path) == Reason.TRUNCATED
    path.write_bytes(whole + b"\0")
    assert reason_for(path) == Reason.UNREADABLE


def test_a_huge_shape_is_refused_unread(tmp_path):
    path = save(tmp_path / "x.npy", np.arange(30.0).reshape(5, 6))
    content = path.read_bytes()
    path.write_bytes(content.replace(b"(5, 6), }      ", b"(500000000, 6)}"))
    assert reason_for(path) == Reason.TRUNCATED
