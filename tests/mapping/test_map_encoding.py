"""Maps in the space of their image, bit for bit."""

import gzip

import nibabel
import numpy as np
import pydicom
import pytest
from broken_files import write_series
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow
from scipy.spatial.transform import Rotation
from small_runs import oblique, write_volume

from hrcam.artifacts.map_file import read_map
from hrcam.cohort.problems import Reason
from hrcam.cohort.reading import read_image
from hrcam.errors import InputError
from hrcam.mapping.encoding import Title, encode_map, suffix_of

TITLE = Title("pattern", "patient")


def written(path, folder, seed=1):
    """A map of the image at a path, as read again by nibabel, and what it should hold."""
    image = read_image(path)
    values = np.random.default_rng(seed).normal(size=image.shape).astype(np.float32)
    target = folder / f"map{suffix_of(image)}"
    encoded = encode_map(values, image, path, TITLE, "float32")
    assert encoded.scaling is None
    target.write_bytes(encoded.content)
    return nibabel.load(target), values.reshape(image.stored_shape)


def assert_same_space(found, source):
    original = nibabel.load(source)
    assert found.affine.tobytes() == original.affine.tobytes()
    assert found.shape == original.shape
    assert found.header.get_zooms() == original.header.get_zooms()
    for form in ("sform", "qform"):
        (a, code), (b, same) = (
            getattr(one.header, f"get_{form}")(coded=True) for one in (found, original)
        )
        assert code == same
        assert (a is b is None) or a.tobytes() == b.tobytes()
    assert found.header.get_xyzt_units() == original.header.get_xyzt_units()
    assert nibabel.aff2axcodes(found.affine) == nibabel.aff2axcodes(original.affine)


@given(
    st.tuples(*[st.floats(-180, 180)] * 3),
    st.tuples(*[st.floats(0.1, 9)] * 3),
    st.tuples(*[st.floats(-500, 500)] * 3),
    st.sampled_from([(1, 1), (1, 0), (0, 1), (4, 2), (2, 0), (0, 0)]),
    st.sampled_from([1, -1]),
    st.sampled_from([".nii", ".nii.gz"]),
)
def test_the_affine_is_the_image_s_bit_for_bit(
    tmp_path_factory, angles, spacing, origin, codes, handed, suffix
):
    folder = tmp_path_factory.mktemp("affine")
    affine = np.eye(4)
    turned = Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    affine[:3, :3] = turned * spacing * [handed, 1, 1]
    affine[:3, 3] = origin
    source = write_volume(
        folder / f"image{suffix}", np.arange(60.0).reshape(3, 4, 5), affine, codes
    )
    found, expected = written(source, folder)
    assert_same_space(found, source)
    assert found.get_data_dtype() == np.float32
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)


@pytest.mark.parametrize("shape", [(7, 6, 1), (7, 1, 6), (1, 7, 6), (7, 6), (5, 6, 7, 1)])
def test_slices_keep_their_stored_shape(tmp_path, shape):
    source = tmp_path / "slice.nii.gz"
    voxels = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    nibabel.save(nibabel.Nifti1Image(voxels, oblique()), source)
    found, expected = written(source, tmp_path)
    assert found.affine.tobytes() == nibabel.load(source).affine.tobytes()
    assert found.shape == shape[:3]
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)


def test_a_sheared_affine_stays_sheared(tmp_path):
    affine = oblique()
    affine[0, 1] += 0.3
    source = write_volume(
        tmp_path / "sheared.nii", np.arange(60.0).reshape(3, 4, 5), affine, (2, 0)
    )
    assert_same_space(written(source, tmp_path)[0], source)


def test_nifti_2_and_the_other_byte_order(tmp_path):
    voxels = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    affine = oblique() + 1e-9  # more digits than NIfTI-1 holds
    affine[3] = 0, 0, 0, 1
    second = tmp_path / "second.nii.gz"
    nibabel.save(nibabel.Nifti2Image(voxels, affine), second)
    found, _ = written(second, tmp_path)
    assert_same_space(found, second)
    assert found.affine.tobytes() == affine.tobytes()
    swapped = tmp_path / "swapped.nii"
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.save(nibabel.Nifti1Image(voxels, oblique(), header), swapped)
    assert_same_space(written(swapped, tmp_path)[0], swapped)


def test_nothing_but_space_is_taken_from_the_header(tmp_path):
    image = nibabel.Nifti1Image(np.arange(60, dtype=np.int16).reshape(3, 4, 5), oblique())
    image.header["descrip"] = b"Jane Doe 1950-01-01"
    image.header.set_slope_inter(2, 7)
    image.header["cal_max"] = 40
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"Jane Doe"))
    source = tmp_path / "named.nii"
    nibabel.save(image, source)
    found, expected = written(source, tmp_path)
    content = gzip.decompress((tmp_path / "map.nii.gz").read_bytes())
    assert b"Jane" not in content
    assert float(found.header["cal_max"]) == np.abs(expected).max()  # that of the map
    assert found.header["descrip"].item() == b"HR-CAM pattern for patient"
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)


def test_a_dicom_series_gets_a_nifti_map_in_its_own_place(tmp_path):
    write_series(tmp_path / "series")
    image = read_image(tmp_path / "series")
    found, expected = written(tmp_path / "series", tmp_path)
    np.testing.assert_array_equal(np.asarray(found.dataobj), expected)
    np.testing.assert_allclose(found.affine, image.affine, rtol=1e-6)
    np.testing.assert_allclose(found.header.get_qform(), image.affine, atol=1e-4)
    assert found.header.get_xyzt_units()[0] == "mm"


def test_the_same_map_gives_the_same_bytes(tmp_path):
    source = write_volume(tmp_path / "image.nii.gz", np.arange(60.0).reshape(3, 4, 5), oblique())
    image = read_image(source)
    values = np.ones(image.shape, np.float32)
    for data_type in ("int16", "float32"):
        first, again = (encode_map(values, image, source, TITLE, data_type) for _ in range(2))
        assert first == again


def test_a_source_that_changes_meanwhile_is_noticed(tmp_path):
    source = write_volume(tmp_path / "image.nii.gz", np.arange(60.0).reshape(3, 4, 5), oblique())
    image = read_image(source)
    write_volume(source, np.arange(60.0).reshape(3, 4, 5), np.eye(4))
    with pytest.raises(InputError, match="changed while"):
        encode_map(np.ones(image.shape, np.float32), image, source, TITLE)


def test_a_map_of_a_tilted_series_lies_on_it_and_can_be_read_again(tmp_path):
    """A qform cannot hold the shear: written, it would contradict the sform."""
    files = write_series(tmp_path / "s")
    for path in files:
        dataset = pydicom.dcmread(path)
        height = dataset.ImagePositionPatient[2]
        dataset.ImagePositionPatient = [-20.0, 30.0 + height / 4, height]
        dataset.save_as(path, enforce_file_format=True)
    found, values = written(tmp_path / "s", tmp_path)
    series = read_image(tmp_path / "s")
    np.testing.assert_array_equal(found.get_fdata(dtype=np.float32), values)
    np.testing.assert_allclose(found.affine, series.affine, atol=1e-5)
    assert found.header["qform_code"] == 0
    again = read_image(tmp_path / "map.nii.gz")
    assert [caution.reason for caution in again.cautions] == [Reason.SHEARED_AFFINE]


@pytest.mark.parametrize("kind", ["pattern", "std"])
@pytest.mark.parametrize("largest", [1e-6, 3.7, 1e6])
def test_whole_numbers_are_off_by_a_thousandth_of_the_largest_at_most(tmp_path, kind, largest):
    source = write_volume(tmp_path / "a.nii.gz", np.arange(480.0).reshape(6, 8, 10), oblique())
    image = read_image(source)
    values = np.random.default_rng(0).normal(size=image.shape).astype(np.float32)
    values *= largest / np.abs(values).max()
    encoded = encode_map(values, image, source, Title(kind, "patient"))
    (tmp_path / "map.nii.gz").write_bytes(encoded.content)
    found = nibabel.load(tmp_path / "map.nii.gz")
    assert found.get_data_dtype() == np.int16
    assert found.affine.tobytes() == nibabel.load(source).affine.tobytes()
    off = np.abs(found.get_fdata() - values).max()
    assert off <= encoded.scaling.largest_error * 1.0001
    assert encoded.scaling.largest_error == pytest.approx(largest / 1000, rel=1e-6)
    assert np.float32(encoded.scaling.slope) == np.float32(found.dataobj.slope)
    header = found.header
    assert float(header["cal_max"]) == pytest.approx(largest)
    assert float(header["cal_min"]) == pytest.approx(0 if kind == "std" else -largest)
    assert header.get_intent()[::2] == ("estimate", f"HR-CAM {kind}")
    exact = encode_map(values, image, source, Title(kind, "patient"), "float32")
    assert len(encoded.content) < len(exact.content) / 2


def test_whole_numbers_in_the_other_byte_order(tmp_path):
    source = tmp_path / "swapped.nii"
    voxels = np.arange(60, dtype=np.float32).reshape(3, 4, 5)
    nibabel.save(
        nibabel.Nifti1Image(voxels, oblique(), nibabel.Nifti1Header(endianness=">")), source
    )
    image = read_image(source)
    (tmp_path / "map.nii.gz").write_bytes(encode_map(voxels - 30, image, source, TITLE).content)
    found = nibabel.load(tmp_path / "map.nii.gz").get_fdata()
    np.testing.assert_allclose(found, voxels - 30, atol=0.0301)


def test_the_map_of_a_picture_is_a_grey_picture_with_zero_in_the_middle(tmp_path):
    path = tmp_path / "a.png"
    Pillow.fromarray(np.arange(120, dtype=np.uint8).reshape(10, 12)).save(path)
    image = read_image(path)
    values = np.linspace(-2, 0.5, 120, dtype=np.float32).reshape(10, 12)
    values[0, 5] = 0
    encoded = encode_map(values, image, path, TITLE)
    (tmp_path / "map.png").write_bytes(encoded.content)
    picture = Pillow.open(tmp_path / "map.png")
    assert (picture.size, picture.mode) == ((12, 10), "I;16")
    pixels = np.asarray(picture)
    assert int(pixels[0, 5]) == 32768
    assert int(pixels.min()) == 32768 - 32000
    found = read_map(tmp_path / "map.png", encoded.scaling)
    np.testing.assert_allclose(found, values, atol=0.002 + 1e-6)
    with pytest.raises(InputError, match="does not give the scale"):
        read_map(tmp_path / "map.png")


@pytest.mark.parametrize("data_type", ["int16", "float32"])
def test_a_map_of_zeros_and_one_that_is_not_finite(tmp_path, data_type):
    source = write_volume(tmp_path / "a.nii.gz", np.arange(60.0).reshape(3, 4, 5), oblique())
    image = read_image(source)
    zeros = np.zeros(image.shape, np.float32)
    (tmp_path / "map.nii.gz").write_bytes(
        encode_map(zeros, image, source, TITLE, data_type).content
    )
    np.testing.assert_array_equal(nibabel.load(tmp_path / "map.nii.gz").get_fdata(), zeros)
    with pytest.raises(InputError, match="pattern map has values that are NaN"):
        encode_map(zeros + np.nan, image, source, TITLE, data_type)
