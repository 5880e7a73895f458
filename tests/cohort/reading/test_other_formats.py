"""MGH, Analyze and NIfTI pairs, BMP and WebP are read; other formats are named."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import scipy.io
from broken_files import cut, oblique_affine, volume, write_nifti, write_png, write_series
from nibabel.freesurfer.mghformat import MGHImage
from PIL import Image as Pillow

from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import is_image, read_image, read_mask
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.mapping.encoding import Title, encode_map

GREY = np.random.default_rng(3).integers(0, 256, (6, 5)).astype(np.uint8)


def error_of(path) -> ImageError:
    with pytest.raises(ImageError) as refused:
        read_image(path)
    return refused.value


def write_mgh(path: Path, voxels: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(MGHImage(voxels, affine), path)
    return path


def map_affine(path: Path) -> np.ndarray:
    """The affine of a map of an image."""
    image = read_image(path)
    title = Title("pattern", "patient")
    content = encode_map(np.ones(image.shape, np.float32), image, path, title).content
    written = nibabel.Nifti1Image.from_bytes(gzip.decompress(content))
    assert written.shape == image.stored_shape
    return written.affine


@pytest.mark.parametrize("name", ["brain.mgz", "brain.mgh", "T1.MGZ"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.int32, np.float32])
def test_mgh_is_read_with_its_place(tmp_path, name, dtype):
    voxels = (volume() % 250).astype(dtype)
    path = write_mgh(tmp_path / name.lower(), voxels, oblique_affine()).rename(tmp_path / name)
    image = read_image(path)
    np.testing.assert_array_equal(image.voxels[0], voxels)
    np.testing.assert_allclose(image.affine, oblique_affine(), atol=1e-5)
    assert (image.format, image.stored_shape, image.cautions) == ("mgh", (9, 8, 7), ())
    np.testing.assert_allclose(map_affine(path), oblique_affine(), atol=1e-5)


def test_mgh_and_nifti_of_one_image_are_one_image(tmp_path):
    nifti = read_image(write_nifti(tmp_path / "x.nii.gz"))
    mgh = read_image(write_mgh(tmp_path / "x.mgz", volume(), oblique_affine()))
    assert voxel_hash(mgh) == voxel_hash(nifti)
    mask = write_mgh(tmp_path / "m.mgz", (volume() > 500).astype(np.uint8), oblique_affine())
    np.testing.assert_array_equal(read_mask(mask, nifti), volume() > 500)


@pytest.mark.parametrize("name", ["x.mgz", "x.mgh"])
def test_half_of_an_mgh_file_is_refused(tmp_path, name):
    path = cut(write_mgh(tmp_path / name, volume(), np.eye(4)))
    assert error_of(path).reason == Reason.TRUNCATED


def test_frames_and_a_missing_place_of_mgh(tmp_path):
    series = write_mgh(tmp_path / "4d.mgz", volume((4, 4, 4, 3)), np.eye(4))
    assert error_of(series).reason == Reason.TIME_AXIS
    path = write_mgh(tmp_path / "x.mgh", volume(), oblique_affine())
    content = bytearray(path.read_bytes())
    content[28:30] = bytes(2)  # goodRASFlag
    path.write_bytes(content)
    image = read_image(path)
    assert [caution.reason for caution in image.cautions] == [Reason.NO_ORIENTATION]
    np.testing.assert_allclose(image.affine[:3, :3], [[-1, 0, 0], [0, 0, 1], [0, -1, 0]])


@pytest.mark.parametrize("given", [".hdr", ".img"])
@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_nifti_pair_is_read_as_one_file_would_be(tmp_path, given, packed):
    expected = read_image(write_nifti(tmp_path / "one.nii"))
    pair = nibabel.Nifti1Pair(volume(), oblique_affine())
    pair.set_qform(oblique_affine(), 1)
    pair.set_sform(oblique_affine(), 1)
    nibabel.save(pair, tmp_path / f"x.img{packed}")
    path = tmp_path / f"x{given}{packed}"
    image = read_image(path)
    np.testing.assert_array_equal(image.voxels, expected.voxels)
    np.testing.assert_array_equal(image.affine, expected.affine)
    assert (image.format, image.form_codes) == ("nifti", (1, 1))
    np.testing.assert_array_equal(map_affine(path), expected.affine)


@pytest.mark.parametrize("kind", [nibabel.AnalyzeImage, nibabel.Spm99AnalyzeImage])
def test_an_analyze_pair_is_read_as_nibabel_does_with_a_caution(tmp_path, kind):
    affine = np.diag([-2.0, 2.0, 3.0, 1.0])
    kind(volume(), affine).to_filename(tmp_path / "x.img")
    (tmp_path / "x.mat").unlink(missing_ok=True)
    image = read_image(tmp_path / "x.hdr")
    np.testing.assert_array_equal(image.voxels[0], volume())
    assert (image.format, image.spacing) == ("analyze", (2.0, 2.0, 3.0))
    assert image.affine[0, 0] == -2
    assert [caution.reason for caution in image.cautions] == [Reason.NO_ORIENTATION]
    np.testing.assert_allclose(map_affine(tmp_path / "x.img"), image.affine)


def test_the_mat_file_of_spm_places_an_analyze_pair(tmp_path):
    nibabel.Spm99AnalyzeImage(volume(), np.diag([-2.0, 2.0, 3.0, 1.0])).to_filename(
        tmp_path / "x.img"
    )
    one_based = oblique_affine() @ np.array(
        [[1, 0, 0, -1], [0, 1, 0, -1], [0, 0, 1, -1], [0, 0, 0, 1]]
    )
    scipy.io.savemat(tmp_path / "x.mat", {"mat": one_based})
    image = read_image(tmp_path / "x.img")
    np.testing.assert_allclose(image.affine, oblique_affine(), atol=1e-9)
    assert not image.cautions


def test_scale_factors_of_spm_are_applied(tmp_path):
    header = nibabel.Spm2AnalyzeHeader()
    header.set_data_shape((9, 8, 7))
    header.set_data_dtype(np.int16)
    header.set_zooms((1, 1, 1))
    header["scl_slope"] = 0.5
    (tmp_path / "x.hdr").write_bytes(header.binaryblock)
    (tmp_path / "x.img").write_bytes(volume().tobytes(order="F"))
    np.testing.assert_array_equal(read_image(tmp_path / "x.img").voxels[0], volume() * 0.5)


def test_halves_of_a_pair_are_named(tmp_path):
    nibabel.save(nibabel.Nifti1Pair(volume(), np.eye(4)), tmp_path / "x.img")
    (tmp_path / "x.img").rename(tmp_path / "y.img")
    for name, wanted in (("x.hdr", "x.img"), ("y.img", "y.hdr")):
        error = error_of(tmp_path / name)
        assert error.reason == Reason.MISSING
        assert wanted in error.message
    (tmp_path / "y.img").rename(tmp_path / "x.img")
    cut(tmp_path / "x.img")
    assert error_of(tmp_path / "x.hdr").reason == Reason.TRUNCATED


def test_a_pair_in_a_folder_is_one_scan(tmp_path):
    for number, label in enumerate("aabb"):
        (tmp_path / label).mkdir(exist_ok=True)
        pair = nibabel.Nifti1Pair(volume() + number * np.eye(8, 7, dtype=np.int16), np.eye(4))
        nibabel.save(pair, tmp_path / label / f"p{number}.img")
    cohort = open_cohort(tmp_path)
    assert [scan.name for scan in cohort.scans] == ["p0", "p1", "p2", "p3"]
    report = check_cohort(cohort, workers=1)
    assert report.refused == ()
    assert report.fingerprint.formats == {"nifti": 4}


def test_dicom_files_named_img_are_a_series(tmp_path):
    for path in write_series(tmp_path / "s"):
        path.rename(path.with_suffix(".img"))
    assert read_image(tmp_path / "s").shape == (9, 8, 6)
    assert read_image(tmp_path / "s" / "IM0001.img").shape == (9, 8)
    assert open_cohort(tmp_path / "s").scans[0].images["image"] == tmp_path / "s"


@pytest.mark.parametrize("name", ["x.bmp", "x.webp"])
def test_bmp_and_webp_keep_their_grey_values(tmp_path, name):
    Pillow.fromarray(GREY).save(tmp_path / name, **({"lossless": True} if "webp" in name else {}))
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.voxels[0], GREY)
    assert not image.cautions


@pytest.mark.parametrize("name", ["x.bmp", "x.webp"])
def test_half_of_a_bmp_or_webp_is_refused(tmp_path, name):
    picture = Pillow.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8))
    picture.save(tmp_path / name)
    assert error_of(cut(tmp_path / name)).reason == Reason.TRUNCATED


def test_colours_frames_and_transparency_of_webp(tmp_path):
    colours = np.dstack([GREY, 255 - GREY, GREY // 2])
    Pillow.fromarray(colours).save(tmp_path / "x.webp", lossless=True)
    expected = colours @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(read_image(tmp_path / "x.webp").voxels[0], expected, rtol=1e-6)
    frames = [Pillow.fromarray(GREY), Pillow.fromarray(255 - GREY)]
    frames[0].save(tmp_path / "film.webp", save_all=True, append_images=frames[1:])
    assert "2 pages or frames" in error_of(tmp_path / "film.webp").message
    clear = np.dstack([colours, np.full_like(GREY, 9)])
    Pillow.fromarray(clear).save(tmp_path / "clear.webp", lossless=True)
    assert error_of(tmp_path / "clear.webp").reason == Reason.UNSUPPORTED


UNREAD = {
    "x.nrrd": (b"NRRD0004\n", "NRRD", "3D Slicer"),
    "x.nhdr": (b"NRRD0004\n", "NRRD", "SimpleITK"),
    "x.mha": (b"ObjectType = Image\n", "MetaImage", "SimpleITK"),
    "x.mhd": (b"ObjectType = Image\n", "MetaImage", "SimpleITK"),
    "x.mnc": (b"\x89HDF\r\n\x1a\n", "MINC", "mnc2nii"),
    "x.MNC": (b"CDF\x01", "MINC", "mnc2nii"),
    "x.dcm.gz": (gzip.compress(bytes(128) + b"DICM"), "DICOM", "gunzip"),
    "x.nii.bz2": (b"BZh9", "NIfTI", "bunzip2"),
    "x+orig.HEAD": (b"type = string", "AFNI", "3dAFNItoNIFTI"),
    "x.gif": (b"GIF89a", "GIF", "PNG"),
    "x.jp2": (b"\0\0\0\x0cjP  ", "JPEG 2000", "PNG"),
    "x.npz": (b"PK\x03\x04", "NumPy", ".npy"),
}


@pytest.mark.parametrize("name", UNREAD)
def test_a_format_that_is_not_read_is_named_with_how_to_convert_it(tmp_path, name):
    content, kind, advice = UNREAD[name]
    (tmp_path / name).write_bytes(content)
    assert is_image(tmp_path / name)
    error = error_of(tmp_path / name)
    assert error.reason == Reason.UNSUPPORTED
    assert kind in error.message
    assert advice in error.advice


def test_it_is_not_passed_over_beside_images_that_are_read(tmp_path):
    for number in range(2):
        for label in "ab":
            folder = tmp_path / label
            folder.mkdir(exist_ok=True)
            write_nifti(folder / f"{label}{number}.nii.gz", volume() + 50 * number + ord(label))
    for name, (content, *_) in UNREAD.items():
        (tmp_path / "a" / name).write_bytes(content)
    report = check_cohort(open_cohort(tmp_path), workers=1)
    assert {found.file for found in report.refused} == {f"a/{name}" for name in UNREAD}
    assert {found.reason for found in report.refused} == {Reason.UNSUPPORTED}


def test_a_name_of_an_unread_format_does_not_hide_one_that_is_read(tmp_path):
    write_png(tmp_path / "x.png").rename(tmp_path / "x.gif")
    error = error_of(tmp_path / "x.gif")
    assert error.reason == Reason.WRONG_FORMAT
    assert error.message == "the name is that of a GIF picture, but the file is a PNG picture"


def test_files_of_no_known_format_are_counted(tmp_path):
    (tmp_path / "a").mkdir()
    write_png(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "x.vol").write_bytes(b"\1\2\3")
    for name in ("readme.md", "labels.txt", "Thumbs.db", "1.json"):
        (tmp_path / "a" / name).write_bytes(b"\1\2\3")
    (found,) = open_cohort(tmp_path).problems
    assert (found.file, found.reason, found.refused) == ("a/x.vol", Reason.UNSUPPORTED, False)
    assert found.message.startswith("1 file is left out")


def test_images_beside_the_slices_of_a_series_are_said(tmp_path):
    write_series(tmp_path / "a" / "p1")
    write_series(tmp_path / "a" / "p1" / "localiser")
    write_nifti(tmp_path / "a" / "p1" / "converted.nii.gz")
    (tmp_path / "b").mkdir()
    write_nifti(tmp_path / "b" / "p2.nii.gz")
    cohort = open_cohort(tmp_path)
    assert [scan.name for scan in cohort.scans] == ["p1", "p2"]
    (found,) = cohort.problems
    assert found.message.startswith("2 files are left out")


def test_a_dicom_file_among_images_of_other_formats_hides_none(tmp_path):
    files = write_series(tmp_path / "a")
    for path in files[1:]:
        path.unlink()
    write_png(tmp_path / "a" / "1.png")
    write_png(tmp_path / "b.png").rename(tmp_path / "a" / "2.png")
    assert [scan.name for scan in open_cohort(tmp_path).scans] == ["1", "2", "IM0006"]


def test_dicom_without_its_preamble_is_not_passed_over(tmp_path):
    whole = save_without_preamble(tmp_path / "a" / "IM0001")
    assert is_image(whole)
    assert "without its preamble" in error_of(whole).message


def save_without_preamble(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    (source,) = write_series(path.parent / "s", slices=1)
    content = source.read_bytes()
    source.unlink()
    source.parent.rmdir()
    path.write_bytes(content[132:])
    return path


def test_an_unread_picture_of_colour_tables_is_still_decoded(tmp_path):
    """A BMP keeps its palette."""
    picture = Pillow.fromarray(GREY % 3).convert("P")
    picture.putpalette([10, 10, 10, 200, 200, 200, 90, 90, 90])
    picture.save(tmp_path / "x.bmp")
    expected = np.array([10, 200, 90])[GREY % 3]
    np.testing.assert_array_equal(read_image(tmp_path / "x.bmp").voxels[0], expected)
