"""PNG, JPEG and TIFF: grey values unchanged, colours as luminance, nothing cut to 8 bits."""

import struct
import zlib

import numpy as np
import pytest
from broken_files import write_nifti, write_png
from PIL import Image as Pillow

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import read_image

RNG = np.random.default_rng(3)
GREY = RNG.integers(0, 256, (6, 5)).astype(np.uint8)
WIDE = RNG.integers(0, 65536, (6, 5)).astype(np.uint16)
RGB = RNG.integers(0, 256, (6, 5, 3)).astype(np.uint8)


def write_array(path):
    np.save(path, GREY)
    return path


def reason_for(path):
    with pytest.raises(ImageError) as refused:
        read_image(path)
    return refused.value.reason


def write_raw_png(path, rows, bits, colour_type, shape=None):
    """A PNG of exactly these bits and this colour type, which Pillow does not write."""

    def chunk(kind, content):
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    height, width = shape or rows.shape[:2]
    header = struct.pack(">IIBBBBB", width, height, bits, colour_type, 0, 0, 0)
    lines = b"".join(b"\0" + row.astype(f">u{bits // 8}").tobytes() for row in rows)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )
    return path


def set_tiff_tag(path, tag, before, after):
    """Change one value of type SHORT in a TIFF file's directory."""
    entry = struct.pack("<HHI", tag, 3, 1)
    content = path.read_bytes()
    assert content.count(entry + struct.pack("<I", before)) == 1
    old, new = (entry + struct.pack("<I", value) for value in (before, after))
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("x.png", GREY),
        ("x.png", WIDE),
        ("x.png", GREY > 99),
        ("x.tif", GREY),
        ("x.tiff", WIDE),
        ("x.tif", WIDE.astype(np.int32) - 70000),
        ("x.tif", WIDE.astype(np.float32) / 7),
    ],
)
def test_grey_values_are_unchanged(tmp_path, name, pixels):
    image = read_image(write_png(tmp_path / name, pixels))
    np.testing.assert_array_equal(image.voxels, pixels.astype(np.float32)[None])
    assert (image.format, image.stored_shape, image.spacing) == ("picture", (6, 5), (1.0, 1.0))
    np.testing.assert_array_equal(image.affine, np.eye(4))
    assert not image.cautions


def test_unsigned_32_bit_tiff_does_not_wrap(tmp_path):
    large = WIDE.astype(np.uint32) * 65536
    path = write_png(tmp_path / "x.tif", large.view(np.int32))
    set_tiff_tag(path, 339, before=2, after=1)  # the sample format: signed, unsigned
    np.testing.assert_array_equal(read_image(path).voxels[0], large)


def test_signed_8_bit_tiff_keeps_its_signs(tmp_path):
    path = write_png(tmp_path / "x.tif", np.where(GREY < 9, 197, GREY).astype(np.uint8))
    insert_sample_format(path, 2)
    expected = np.where(GREY < 9, 197, GREY).astype(np.uint8).view(np.int8)
    image = read_image(path)
    np.testing.assert_array_equal(image.voxels[0], expected)
    assert image.voxels.min() < 0


def insert_sample_format(path, kind):
    """Write the sample format in the place of a tag that does not matter here."""
    content = path.read_bytes()
    entry = struct.pack("<HH", 317, 3)
    if entry not in content:
        entry = next(
            struct.pack("<HH", tag, 3) for tag in (296, 284, 277)
            if struct.pack("<HH", tag, 3) in content
        )  # fmt: skip
    at = content.index(entry)
    changed = struct.pack("<HHIHH", 339, 3, 1, kind, 0)
    path.write_bytes(content[:at] + changed + content[at + 12 :])


def write_float_tiff(path, pixels, order="<", packed=False, tile=None, **tags):
    """A TIFF file of floating point, in strips of 4 rows or in tiles, as tifffile writes it."""
    pixels = pixels.astype(pixels.dtype.newbyteorder(order))
    height, width = pixels.shape
    if tile:
        padded = np.zeros([-(-size // tile) * tile for size in pixels.shape], pixels.dtype)
        padded[:height, :width] = pixels
        parts = [
            padded[top : top + tile, left : left + tile].tobytes()
            for top in range(0, padded.shape[0], tile)
            for left in range(0, padded.shape[1], tile)
        ]
    else:
        parts = [pixels[top : top + 4].tobytes() for top in range(0, height, 4)]
    parts = [zlib.compress(part) for part in parts] if packed else parts
    starts = [8 + sum(map(len, parts[:index])) for index in range(len(parts))]
    sizes = [len(part) for part in parts]
    layout = {322: tile, 323: tile, 324: starts, 325: sizes} if tile else {
        273: starts, 278: 4, 279: sizes,
    }  # fmt: skip
    entries = {
        256: width, 257: height, 258: pixels.dtype.itemsize * 8, 259: 8 if packed else 1, 262: 1,
        277: 1, 339: 3, **layout, **{int(name[1:]): value for name, value in tags.items()},
    }  # fmt: skip
    data = b"".join(parts)
    directory = 8 + len(data)
    after = directory + 2 + 12 * len(entries) + 4
    head = struct.pack(f"{order}H", len(entries))
    extra = b""
    for tag, value in sorted(entries.items()):
        values = value if isinstance(value, list) else [value]
        content = struct.pack(f"{order}{len(values)}I", *values)
        if len(content) > 4:
            extra, content = extra + content, struct.pack(f"{order}I", after + len(extra))
        head += struct.pack(f"{order}HHI", tag, 4, len(values)) + content
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", directory)
    path.write_bytes(start + data + head + bytes(4) + extra)
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("layout", [{}, {"packed": True}, {"tile": 16}])
def test_tiff_of_16_and_64_bit_floating_point(tmp_path, dtype, order, layout):
    pixels = (np.random.default_rng(4).normal(size=(18, 21)) * 50).astype(dtype)
    image = read_image(write_float_tiff(tmp_path / "x.tif", pixels, order, **layout))
    np.testing.assert_array_equal(image.voxels[0], pixels.astype(np.float32))


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"t339": 1}, "64 bits of unsigned integers"),
        ({"t339": 2}, "64 bits of signed integers"),
        ({"t259": 5}, "compression"),
        ({"t317": 3}, "prediction"),
        ({"t262": 0}, "0 as white"),
        ({"t274": 6}, "orientation"),
    ],
)
def test_tiff_of_another_kind_is_refused_by_its_name(tmp_path, tags, said):
    path = write_float_tiff(tmp_path / "x.tif", np.ones((6, 5)) * np.arange(5), **tags)
    with pytest.raises(ImageError, match=said) as refused:
        read_image(path)
    assert refused.value.reason == Reason.UNSUPPORTED


def test_a_cut_tiff_of_floating_point_is_refused(tmp_path):
    path = write_float_tiff(tmp_path / "x.tif", np.ones((6, 5)) * np.arange(5), t273=[8, 10**6])
    assert reason_for(path) in (Reason.TRUNCATED, Reason.UNREADABLE)


@pytest.mark.parametrize("name", ["x.png", "x.tif", "x.bmp", "x.webp"])
def test_colours_are_kept_as_three_channels_if_asked_for(tmp_path, name):
    Pillow.fromarray(RGB).save(tmp_path / name, **({"lossless": True} if "webp" in name else {}))
    image = read_image(tmp_path / name, "rgb")
    np.testing.assert_array_equal(image.voxels, np.moveaxis(RGB, -1, 0))
    assert (image.shape, image.stored_shape, image.cautions) == ((6, 5), (6, 5), ())


@pytest.mark.parametrize("pixels", [GREY, WIDE])
def test_a_grey_picture_has_three_equal_channels_beside_colours(tmp_path, pixels):
    image = read_image(write_png(tmp_path / "x.png", pixels), "rgb")
    np.testing.assert_array_equal(image.voxels, np.stack([pixels] * 3).astype(np.float32))


@pytest.mark.parametrize("write", [write_nifti, write_array])
def test_what_has_no_colours_is_refused_where_they_are_asked_for(tmp_path, write):
    with pytest.raises(ImageError, match="has no colours") as refused:
        read_image(write(tmp_path / ("x.nii" if write is write_nifti else "x.npy")), "rgb")
    assert refused.value.reason == Reason.UNSUPPORTED


def test_grey_saved_as_jpeg_or_in_colour_is_grey(tmp_path):
    smooth = np.add.outer(np.arange(16), np.arange(16)).astype(np.uint8) * 8
    three = np.stack([smooth] * 3, axis=-1)
    for name in ("x.png", "x.tif"):
        image = read_image(write_png(tmp_path / name, three))
        np.testing.assert_array_equal(image.voxels[0], smooth)
        assert not image.cautions
    jpeg = read_image(write_png(tmp_path / "x.jpg", three))
    np.testing.assert_allclose(jpeg.voxels[0], smooth, atol=8)
    assert not jpeg.cautions


@pytest.mark.parametrize("alpha", [False, True])
def test_colours_become_luminance_with_a_caution(tmp_path, alpha):
    pixels = np.dstack([RGB, np.full((6, 5), 255, np.uint8)]) if alpha else RGB
    image = read_image(write_png(tmp_path / "x.png", pixels))
    expected = 0.299 * RGB[..., 0] + 0.587 * RGB[..., 1] + 0.114 * RGB[..., 2]
    np.testing.assert_allclose(image.voxels[0], expected, rtol=1e-6)
    assert [caution.reason for caution in image.cautions] == [Reason.COLOUR]


def test_a_palette_is_looked_up(tmp_path):
    picture = Pillow.fromarray(GREY % 3).convert("P")
    picture.putpalette([10, 10, 10, 200, 200, 200, 90, 90, 90])
    picture.save(tmp_path / "x.png")
    expected = np.array([10, 200, 90])[GREY % 3]
    np.testing.assert_array_equal(read_image(tmp_path / "x.png").voxels[0], expected)


@pytest.mark.parametrize("pixels", [GREY, WIDE, RGB])
def test_the_orientation_of_the_camera_is_applied(tmp_path, pixels):
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be shown turned clockwise by a quarter
    Pillow.fromarray(pixels).save(tmp_path / "x.tif", exif=exif)
    upright = read_image(write_png(tmp_path / "x.png", pixels)).voxels
    turned = read_image(tmp_path / "x.tif").voxels
    np.testing.assert_array_equal(turned[0], np.rot90(upright[0], -1))


def test_transparent_pixels_are_refused(tmp_path):
    opacity = np.full((6, 5), 255, np.uint8)
    opacity[2, 3] = 0
    assert reason_for(write_png(tmp_path / "x.png", np.dstack([RGB, opacity]))) == (
        Reason.UNSUPPORTED
    )


def test_pages_and_frames_are_refused_with_their_number(tmp_path):
    pages = [Pillow.fromarray(GREY), Pillow.fromarray(255 - GREY)]
    for name in ("x.tif", "x.png"):
        pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
        with pytest.raises(ImageError, match="2 pages or frames"):
            read_image(tmp_path / name)


@pytest.mark.parametrize(("colour_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_16_bits_for_each_colour_are_refused_rather_than_cut(tmp_path, colour_type, channels):
    pixels = np.stack([WIDE] * channels, axis=-1)
    path = write_raw_png(tmp_path / "x.png", pixels, 16, colour_type)
    assert reason_for(path) == Reason.UNSUPPORTED


def test_white_as_zero_is_inverted_or_refused(tmp_path):
    path = write_png(tmp_path / "x.tif", GREY)
    set_tiff_tag(path, 262, before=1, after=0)
    np.testing.assert_array_equal(read_image(path).voxels[0], 255 - GREY.astype(float))
    path = write_png(tmp_path / "x.tif", WIDE)
    set_tiff_tag(path, 262, before=1, after=0)
    assert reason_for(path) == Reason.UNSUPPORTED


def test_cmyk_is_refused(tmp_path):
    Pillow.fromarray(RGB).convert("CMYK").save(tmp_path / "x.jpg")
    assert reason_for(tmp_path / "x.jpg") == Reason.UNSUPPORTED


def test_a_tiff_that_declares_more_pixels_than_it_holds_is_refused(tmp_path):
    path = write_png(tmp_path / "x.tif", np.zeros((3000, 5000), np.uint8))
    path.write_bytes(path.read_bytes()[:1000])
    assert reason_for(path) == Reason.TRUNCATED


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_small_file_that_declares_a_huge_picture_is_refused_unread(tmp_path):
    path = write_raw_png(tmp_path / "x.png", GREY, 8, 0, shape=(13_000, 13_000))
    assert reason_for(path) == Reason.TRUNCATED
    path = write_raw_png(tmp_path / "x.png", GREY, 8, 0, shape=(2**31 - 1, 2**31 - 1))
    assert reason_for(path) == Reason.UNREADABLE


def test_a_line_of_pixels_is_no_image(tmp_path):
    assert reason_for(write_png(tmp_path / "x.png", GREY[:1])) == Reason.UNSUPPORTED


def test_a_changed_byte_of_a_png_is_found_by_its_checksums(tmp_path):
    path = write_png(tmp_path / "x.png", GREY)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 10] ^= 1
    path.write_bytes(content)
    assert reason_for(path) == Reason.UNREADABLE
