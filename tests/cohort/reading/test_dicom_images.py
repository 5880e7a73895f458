"""DICOM: every voxel where its header says, every file of the series read or refused."""

import io
from pathlib import Path

import numpy as np
import pydicom
import pytest
from broken_files import dicom_slice, save, volume, write_series
from PIL import Image as Pillow
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, JPEG2000Lossless, JPEGBaseline8Bit, RLELossless
from scipy.spatial.transform import Rotation

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import is_image, read_image

PYDICOM_FILES = Path(pydicom.__file__).parent / "data" / "test_files"
SLICES, ROWS, COLUMNS = 5, 8, 9
PIXELS = volume((SLICES, ROWS, COLUMNS)).astype(np.uint16)
TURN = Rotation.from_euler("xyz", [25, -40, 160], degrees=True).as_matrix()
RIGHT, DOWN, NORMAL = TURN.T  # directions of columns, rows and slices, LPS
TEXT_REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
ORIGIN = np.array([-81.25, 40.5, -12.0])


def reason_for(path):
    with pytest.raises(ImageError) as refused:
        read_image(path)
    return refused.value.reason


def stack(folder, positions, pixels=PIXELS, **attributes):
    folder.mkdir(exist_ok=True)
    for k, position in enumerate(positions):
        own = {key: value[k] if callable(value) else value for key, value in attributes.items()}
        save(dicom_slice(pixels[k], position, **own), folder / f"{7 * k % len(positions)}.dcm")
    return folder


def axial(count=SLICES, step=3.0):
    return [(0, 0, step * k) for k in range(count)]


def test_an_oblique_anisotropic_series_has_each_voxel_at_its_position(tmp_path):
    positions = [ORIGIN + 2.5 * k * NORMAL for k in range(SLICES)]
    directions = [float(f"{value:.6f}") for value in (*RIGHT, *DOWN)]
    folder = stack(tmp_path / "s", positions, ImageOrientationPatient=directions)
    image = read_image(folder)
    assert image.voxels.shape == (1, COLUMNS, ROWS, SLICES)
    assert image.stored_shape == (COLUMNS, ROWS, SLICES)
    for k, row, column in np.ndindex(PIXELS.shape):
        assert image.voxels[0, column, row, k] == PIXELS[k, row, column]
        # PixelSpacing is (0.5 between rows, 0.75 between columns).
        lps = positions[k] + 0.75 * column * RIGHT + 0.5 * row * DOWN
        ras = lps * (-1, -1, 1)
        np.testing.assert_allclose(image.affine[:3] @ (column, row, k, 1), ras, atol=1e-4)
    assert image.spacing == pytest.approx((0.75, 0.5, 2.5), abs=1e-5)
    assert not image.cautions


def test_slices_are_sorted_along_their_normal_not_by_name_or_number(tmp_path):
    backwards = stack(tmp_path / "s", axial()[::-1])
    image = read_image(backwards)
    np.testing.assert_array_equal(image.voxels[0], PIXELS[::-1].T)
    assert image.affine[2, 2] == 3.0


def test_a_single_file_is_a_slice_with_its_place(tmp_path):
    path = save(dicom_slice(PIXELS[0], (1, 2, 3)), tmp_path / "one")
    image = read_image(path)
    np.testing.assert_array_equal(image.voxels[0], PIXELS[0].T)
    assert image.stored_shape == (COLUMNS, ROWS, 1)
    expected = np.diag([-0.75, -0.5, 2.0, 1.0])
    expected[:3, 3] = -1, -2, 3
    np.testing.assert_array_equal(image.affine, expected)
    assert image.spacing == (0.75, 0.5)
    assert is_image(path)


def test_rescaling_is_that_of_each_slice(tmp_path):
    for k in range(3):
        dataset = dicom_slice(PIXELS[k], (0, 0, k), RescaleSlope=k + 0.5, RescaleIntercept=-1000)
        save(dataset, tmp_path / f"{k}.dcm")
    for k in range(3):
        expected = PIXELS[k].T * (k + 0.5) - 1000
        np.testing.assert_array_equal(read_image(tmp_path).voxels[0, ..., k], expected)


def test_monochrome1_is_inverted_within_its_stored_bits(tmp_path):
    dataset = dicom_slice(PIXELS[0], (0, 0, 0), PhotometricInterpretation="MONOCHROME1")
    dataset.BitsStored, dataset.HighBit = 12, 11
    image = read_image(save(dataset, tmp_path / "x.dcm"))
    np.testing.assert_array_equal(image.voxels[0], 4095 - PIXELS[0].T.astype(float))


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_values_of_the_modality_do_not_depend_on_how_they_are_shown(tmp_path, photometric):
    """Stored 3484 with the intercept -1024 is 2460, whichever of black and white is 0."""
    stored = np.full((8, 9), 3484, np.uint16)
    stored[0] = np.arange(9) * 100
    dataset = dicom_slice(
        stored, (0, 0, 0), PhotometricInterpretation=photometric, RescaleSlope=1,
        RescaleIntercept=-1024, BitsStored=12, HighBit=11,
    )  # fmt: skip
    values = read_image(save(dataset, tmp_path / "x.dcm")).voxels[0].T
    assert values[1, 1] == 2460
    np.testing.assert_array_equal(values, stored - 1024.0)


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_a_table_of_the_modality_is_looked_up_by_the_stored_values(tmp_path, photometric):
    stored = (np.arange(72) % 4).astype(np.uint16).reshape(8, 9)
    table = Dataset()
    table.LUTDescriptor = [4, 0, 16]
    table.LUTData = np.array([10, 200, 3000, 40000], "<u2").tobytes()
    dataset = dicom_slice(
        stored, (0, 0, 0), PhotometricInterpretation=photometric, BitsStored=12, HighBit=11
    )
    dataset.ModalityLUTSequence = [table]
    values = read_image(save(dataset, tmp_path / "x.dcm")).voxels[0].T
    np.testing.assert_array_equal(values, np.array([10, 200, 3000, 40000])[stored])


@pytest.mark.parametrize(
    ("bits", "said"),
    [
        ({"BitsStored": 12, "HighBit": 15}, "BitsStored 12 and HighBit 15"),
        ({"BitsStored": 16, "HighBit": 11}, "BitsStored 16 and HighBit 11"),
        ({"BitsAllocated": 8, "BitsStored": 16, "HighBit": 15}, "BitsAllocated 8"),
        ({"BitsStored": 8, "HighBit": 7}, "BitsStored is 8, and"),
    ],
)
def test_a_header_that_contradicts_itself_is_refused(tmp_path, bits, said):
    path = save(dicom_slice(PIXELS[0], (0, 0, 0), **bits), tmp_path / "x.dcm")
    with pytest.raises(ImageError, match=said) as refused:
        read_image(path)
    assert refused.value.reason == Reason.UNREADABLE


def test_an_overlay_in_the_unused_bits_is_no_part_of_the_image(tmp_path):
    values = PIXELS[0] % 4096
    dataset = dicom_slice(values | 0x8000, (0, 0, 0), BitsStored=12, HighBit=11)
    dataset.add_new((0x6000, 0x0102), "US", 15)  # the bit of the overlay
    np.testing.assert_array_equal(read_image(save(dataset, tmp_path / "x")).voxels[0], values.T)


def test_signed_values_of_12_bits_are_read_with_or_without_the_sign_in_unused_bits(tmp_path):
    values = (PIXELS[0] % 4000).astype(np.int16) - 2000
    for name, stored in (("extended", values), ("cut", values & 0x0FFF)):
        dataset = dicom_slice(stored, (0, 0, 0), PixelRepresentation=1, BitsStored=12, HighBit=11)
        image = read_image(save(dataset, tmp_path / name))
        np.testing.assert_array_equal(image.voxels[0], values.T)


def test_a_file_that_does_not_say_how_it_is_encoded(tmp_path):
    dataset = dicom_slice(PIXELS[0], (0, 0, 0))
    path = save(dataset, tmp_path / "x.dcm")
    content = path.read_bytes()
    start = content.index(bytes([2, 0, 0x10, 0]) + b"UI")  # (0002,0010)
    length = 8 + int.from_bytes(content[start + 6 : start + 8], "little")
    group = int.from_bytes(content[140:144], "little") - length
    content = content[:140] + group.to_bytes(4, "little") + content[144:]
    path.write_bytes(content[:start] + content[start + length :])
    with pytest.raises(ImageError, match="no TransferSyntaxUID") as refused:
        read_image(path)
    assert refused.value.reason == Reason.UNREADABLE


def palette_image(bits, big, segmented=False):
    """A picture of numbers, its palette, and the colours that it stands for."""
    numbers = np.arange(72).reshape(8, 9).astype(np.uint8)
    rng = np.random.default_rng(5)
    tables = [rng.integers(0, 1 << bits, 256) for _ in range(3)]
    order = ">" if big else "<"
    dataset = dicom_slice(numbers, (0, 0, 0), PhotometricInterpretation="PALETTE COLOR")
    if big:
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, bits])
        # A segment: 0 for values one by one, how many follow, and they.
        halves = [(0, 128, *table[:128]), (0, 128, *table[128:])]
        values = np.concatenate(halves) if segmented else table
        if bits == 16:
            content = values.astype(f"{order}u2").tobytes()
        else:  # two values to a word of 16 bits, the first in its lower half
            content = values.astype(np.uint8).tobytes()
            content += bytes(len(content) % 2)
            content = np.frombuffer(content, "<u2").astype(f"{order}u2").tobytes()
        name = f"{'Segmented' if segmented else ''}{colour}PaletteColorLookupTableData"
        dataset.add_new(keyword_tag(name), "OW", content)
    return dataset, np.stack([table[numbers] for table in tables], axis=-1)


def keyword_tag(keyword):
    return pydicom.datadict.tag_for_keyword(keyword)


@pytest.mark.parametrize("segmented", [False, True])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("bits", [8, 16])
def test_palettes_of_both_byte_orders_have_the_same_colours(tmp_path, bits, big, segmented):
    dataset, colours = palette_image(bits, big, segmented=segmented)
    path = tmp_path / "x.dcm"
    dataset.save_as(path, implicit_vr=False, little_endian=not big, enforce_file_format=True)
    image = read_image(path, "rgb")
    np.testing.assert_array_equal(image.voxels, colours.transpose(2, 1, 0))
    grey = read_image(path).voxels[0]
    np.testing.assert_allclose(grey, (colours @ [0.299, 0.587, 0.114]).T, rtol=1e-6)


def test_signed_8_bits(tmp_path):
    values = (PIXELS[0] % 256).astype(np.uint8).view(np.int8)
    dataset = dicom_slice(values, (0, 0, 0), PixelRepresentation=1)
    np.testing.assert_array_equal(read_image(save(dataset, tmp_path / "x")).voxels[0], values.T)


@pytest.mark.parametrize("planar", [0, 1])
def test_colours_are_kept_as_three_channels_if_asked_for(tmp_path, planar):
    rgb = np.random.default_rng(1).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    stored = np.moveaxis(rgb, -1, 0).copy() if planar else rgb
    dataset = dicom_slice(rgb, (0, 0, 0), SamplesPerPixel=3, PhotometricInterpretation="RGB")
    dataset.PlanarConfiguration, dataset.PixelData = planar, stored.tobytes()
    image = read_image(save(dataset, tmp_path / "x.dcm"), "rgb")
    np.testing.assert_array_equal(image.voxels, rgb.transpose(2, 1, 0))
    assert (image.stored_shape, image.cautions) == ((9, 8, 1), ())


def test_grey_slices_have_three_equal_channels_beside_colours(tmp_path):
    image = read_image(stack(tmp_path / "s", axial()), "rgb")
    assert image.voxels.shape == (3, COLUMNS, ROWS, SLICES)
    for channel in image.voxels:
        np.testing.assert_array_equal(channel, PIXELS.T)


def test_signed_pixels_stay_signed(tmp_path):
    signed = PIXELS[0].astype(np.int16) - 500
    path = save(dicom_slice(signed, (0, 0, 0), PixelRepresentation=1), tmp_path / "x.dcm")
    np.testing.assert_array_equal(read_image(path).voxels[0], signed.T)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_series_are_read(tmp_path, syntax):
    pixels = volume((3, 64, 64)).astype(np.uint16)
    for k in range(3):
        dataset = dicom_slice(pixels[k], (0, 0, k))
        dataset.compress(syntax)
        save(dataset, tmp_path / f"{k}")
    np.testing.assert_array_equal(read_image(tmp_path).voxels[0], pixels.T)


@pytest.mark.parametrize(
    "encoding", ["RLE", "bigendian", "implicit", "jp2klossless", "jpeg_ls_lossless", "padded"]
)
def test_encodings_of_one_image_are_equal(encoding):
    reference = read_image(PYDICOM_FILES / "MR_small.dcm")
    image = read_image(PYDICOM_FILES / f"MR_small_{encoding}.dcm")
    np.testing.assert_array_equal(image.voxels, reference.voxels)
    np.testing.assert_array_equal(image.affine, reference.affine)


def test_lossy_jpeg_is_read(tmp_path):
    ramp = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    jpeg = io.BytesIO()
    Pillow.fromarray(ramp).save(jpeg, "JPEG", quality=95)
    dataset = dicom_slice(ramp, (0, 0, 0), PixelData=encapsulate([jpeg.getvalue()]))
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    dataset["PixelData"].VR = "OB"
    image = read_image(save(dataset, tmp_path / "x.dcm"))
    np.testing.assert_allclose(image.voxels[0], ramp.T, atol=3)


def test_a_cut_compressed_slice_is_refused(tmp_path):
    dataset = dicom_slice(PIXELS[0], (0, 0, 0))
    dataset.compress(RLELossless)
    path = save(dataset, tmp_path / "x.dcm")
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert reason_for(path) == Reason.TRUNCATED


def test_a_damaged_compressed_slice_is_refused(tmp_path):
    dataset = dicom_slice(PIXELS[0], (0, 0, 0))
    dataset.compress(RLELossless)
    path = save(dataset, tmp_path / "x.dcm")
    content = bytearray(path.read_bytes())
    header = content.index(dataset.PixelData[16:80])  # of the segments, after two item tags
    content[header + 4] = 255  # where the first one starts
    path.write_bytes(content)
    assert reason_for(path) == Reason.UNREADABLE


def test_an_unknown_compression_is_refused_with_what_to_do(tmp_path):
    path = save(dicom_slice(PIXELS[0], (0, 0, 0)), tmp_path / "x.dcm")
    mpeg = b"1.2.840.10008.1.2.4.100\0"
    content = path.read_bytes()
    start = content.index(b"1.2.840.10008.1.2.1\0")
    length = content[start - 2 : start]
    assert length == (20).to_bytes(2, "little")
    other = content[: start - 2] + (24).to_bytes(2, "little") + mpeg + content[start + 20 :]
    path.write_bytes(other)
    with pytest.raises(ImageError, match="MPEG2") as refused:
        read_image(path)
    assert refused.value.reason in (Reason.UNSUPPORTED, Reason.UNREADABLE)


def test_gantry_tilt_is_kept_in_the_affine_and_said(tmp_path):
    folder = stack(tmp_path / "s", [(0, 1.0 * k, 3.0 * k) for k in range(SLICES)])
    image = read_image(folder)
    np.testing.assert_allclose(image.affine[:3, 2], [0, -1, 3])
    (caution,) = image.cautions
    assert caution.reason == Reason.GANTRY_TILT
    assert "18.43 degrees" in caution.message  # atan(1 / 3)


def test_the_gap_is_named_with_its_place_and_length(tmp_path):
    files = write_series(tmp_path, slices=8, spacing=1.25)
    files[3].unlink()
    files[4].unlink()
    with pytest.raises(ImageError, match=r"gap after slice 3 of 6: 3\.75 mm instead of 1\.25 mm"):
        read_image(tmp_path)


def test_positions_rounded_by_the_scanner_are_no_gap(tmp_path):
    rounded = [(0, 0, round(0.6251 * k, 2)) for k in range(SLICES)]
    image = read_image(stack(tmp_path / "s", rounded))
    assert image.affine[2, 2] == pytest.approx(0.625)


def test_slices_of_a_microscope_are_no_duplicates(tmp_path):
    fine = {"PixelSpacing": [0.004, 0.004]}
    image = read_image(stack(tmp_path / "s", axial(step=0.004), **fine))
    assert image.spacing == pytest.approx((0.004, 0.004, 0.004))


@pytest.mark.parametrize(
    ("positions", "reason"),
    [
        ([*axial(3), *axial(3)], Reason.TIME_AXIS),
        ([*axial(4), (0, 0, 3)], Reason.DUPLICATE_SLICE),
        ([(0, 0, 0), (0, 0, 3), (0, 9, 6), (0, 0, 9)], Reason.MIXED_SERIES),
        ([(0, 0, 0), (0, 0, 3), (0, 0, 7), (0, 0, 10)], Reason.SLICE_GAP),
    ],
)
def test_slices_that_are_no_regular_stack_are_refused(tmp_path, positions, reason):
    pixels = np.concatenate([PIXELS, PIXELS])
    assert reason_for(stack(tmp_path / "s", positions, pixels)) == reason


@pytest.mark.parametrize(
    "odd",
    [
        {"ImageOrientationPatient": [0, 1, 0, 0, 0, -1]},
        {"PixelSpacing": [0.5, 0.5]},
        {"ImagePositionPatient": None},
        {"SeriesInstanceUID": "1.9"},
    ],
)
def test_one_slice_that_is_not_like_the_others_is_refused(tmp_path, odd):
    folder = stack(tmp_path / "s", axial())
    save(dicom_slice(PIXELS[0], (0, 0, 15), **odd), folder / "odd.dcm")
    assert reason_for(folder) == Reason.MIXED_SERIES


def test_slices_of_other_sizes_are_refused(tmp_path):
    folder = stack(tmp_path / "s", axial())
    save(dicom_slice(PIXELS[0, :4], (0, 0, 15)), folder / "odd.dcm")
    assert reason_for(folder) == Reason.MIXED_SERIES


@pytest.mark.parametrize("spacing", [[0.5, 0], [-1, 1], None])
def test_a_volume_needs_its_pixel_spacing(tmp_path, spacing):
    folder = stack(tmp_path / "s", axial(), PixelSpacing=spacing)
    assert reason_for(folder) == Reason.VOXEL_SIZE


def test_what_is_no_slice_is_left_out(tmp_path):
    folder = stack(tmp_path / "s", axial())
    report = dicom_slice(PIXELS[0], (0, 0, 0))
    for keyword in ("Rows", "Columns", "PixelData"):
        del report[keyword]
    report.SOPClassUID = report.file_meta.MediaStorageSOPClassUID = TEXT_REPORT
    save(report, folder / "SR0001.dcm")
    save(report, folder / "DICOMDIR")
    for name in ("README", "notes.txt", "protocol.json", ".hidden1.dcm"):
        (folder / name).write_text("no slice")
    (folder / "subfolder1").mkdir()
    np.testing.assert_array_equal(read_image(folder).voxels[0], PIXELS.T)


@pytest.mark.parametrize("name", ["IM0009", "1.2.840.9", "9.dcm", "9.IMA", "0009"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", Reason.EMPTY),
        (b"version https://git-lfs.github.com/spec/v1\n", Reason.LFS_POINTER),
        (b"<html>log in</html>", Reason.WRONG_FORMAT),
    ],
)
def test_a_file_named_as_a_slice_is_not_passed_over(tmp_path, name, content, reason):
    folder = stack(tmp_path / "s", axial())
    (folder / name).write_bytes(content)
    with pytest.raises(ImageError, match=name) as refused:
        read_image(folder)
    assert refused.value.reason == reason


def test_an_image_that_lost_its_pixels_is_not_passed_over(tmp_path):
    folder = stack(tmp_path / "s", axial())
    path = folder / "0.dcm"
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"1.2.3.4")])  # within the header
    with pytest.raises(ImageError, match=r"0\.dcm") as refused:
        read_image(folder)
    assert refused.value.reason == Reason.TRUNCATED


def test_the_folder_above_the_series_is_refused_with_their_number(tmp_path):
    stack(tmp_path / "a", axial())
    stack(tmp_path / "b", axial())
    with pytest.raises(ImageError, match="2 of its folders do"):
        read_image(tmp_path)
    assert is_image(tmp_path / "a")
    assert not is_image(tmp_path)


def test_a_projection_has_its_spacing_and_no_place(tmp_path):
    dataset = dicom_slice(PIXELS[0], (0, 0, 0), ImagerPixelSpacing=[0.1, 0.2])
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del dataset[keyword]
    image = read_image(save(dataset, tmp_path / "x.dcm"))
    np.testing.assert_array_equal(image.affine, np.diag([0.2, 0.1, 1, 1]))
    assert [caution.reason for caution in image.cautions] == [Reason.NO_ORIENTATION]


def test_colours_become_luminance(tmp_path):
    rgb = np.random.default_rng(1).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    dataset = dicom_slice(rgb, (0, 0, 0), SamplesPerPixel=3, PhotometricInterpretation="RGB")
    dataset.PlanarConfiguration = 0
    image = read_image(save(dataset, tmp_path / "x.dcm"))
    expected = 0.299 * rgb[..., 0] + 0.587 * rgb[..., 1] + 0.114 * rgb[..., 2]
    np.testing.assert_allclose(image.voxels[0], expected.T, rtol=1e-6)
    assert [caution.reason for caution in image.cautions] == [Reason.COLOUR]


def enhanced(positions, **changes):
    """All slices in one object, with what differs in functional groups."""
    dataset = dicom_slice(PIXELS[0], (0, 0, 0))
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del dataset[keyword]
    dataset.NumberOfFrames = len(positions)
    dataset.PixelData = PIXELS[: len(positions)].tobytes()

    def item(**attributes):
        group = Dataset()
        for keyword, value in attributes.items():
            setattr(group, keyword, value)
        return group

    def sequence(**attributes):
        return Sequence([item(**attributes)])

    dataset.SharedFunctionalGroupsSequence = sequence(
        PlaneOrientationSequence=sequence(ImageOrientationPatient=[0, 1, 0, 0, 0, -1]),
        PixelMeasuresSequence=sequence(PixelSpacing=[0.5, 0.75], SliceThickness=4),
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [
            item(
                PlanePositionSequence=sequence(ImagePositionPatient=list(map(float, position))),
                PixelValueTransformationSequence=sequence(RescaleSlope=k + 1, RescaleIntercept=-7),
            )
            for k, position in enumerate(positions)
        ]
    )
    for keyword, value in changes.items():
        setattr(dataset, keyword, value)
    return dataset


def test_an_enhanced_object_is_a_volume(tmp_path):
    # Sagittal: columns run to the back (0, 1, 0), rows downwards (0, 0, -1), the normal (-1, 0, 0).
    path = save(enhanced([(10 - 2 * k, 5, 6) for k in range(SLICES)]), tmp_path / "x.dcm")
    image = read_image(path)
    expected = np.array(
        [[0, 0, 2, -10], [-0.75, 0, 0, -5], [0, -0.5, 0, 6], [0, 0, 0, 1]], dtype=float
    )
    np.testing.assert_array_equal(image.affine, expected)
    for k in range(SLICES):
        np.testing.assert_array_equal(image.voxels[0, ..., k], PIXELS[k].T * (k + 1.0) - 7)


def test_frames_without_positions_are_refused(tmp_path):
    film = enhanced(axial())
    del film.PerFrameFunctionalGroupsSequence
    assert reason_for(save(film, tmp_path / "x.dcm")) == Reason.TIME_AXIS
    short = enhanced(axial())
    short.PerFrameFunctionalGroupsSequence = short.PerFrameFunctionalGroupsSequence[:3]
    assert reason_for(save(short, tmp_path / "y.dcm")) == Reason.UNREADABLE


@pytest.mark.parametrize(
    ("reason", "attributes"),
    [
        (Reason.TRUNCATED, {"Rows": 60000, "Columns": 60000}),
        (Reason.UNREADABLE, {"Rows": 2}),
        (Reason.UNREADABLE, {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]}),
        (Reason.UNREADABLE, {"ImagePositionPatient": [1, 0]}),
        (Reason.CONSTANT, {"RescaleSlope": 0, "RescaleIntercept": 0}),
    ],
)
def test_a_header_that_cannot_be_right_is_refused(tmp_path, reason, attributes):
    path = save(dicom_slice(PIXELS[0], (0, 0, 0), **attributes), tmp_path / "x.dcm")
    assert reason_for(path) == reason
