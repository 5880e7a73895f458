"""PNG, JPEG, TIFF, BMP and WebP pictures, as grey values or colours."""

import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.cohort.image import Colour, Image
from hrcam.cohort.problems import Caution, ImageError, Reason
from hrcam.cohort.reading.colour import colour_channels, grey_channels
from hrcam.cohort.reading.decoding import decoding
from hrcam.cohort.reading.files import open_file, read_bytes
from hrcam.cohort.reading.shapes import spatial_shape
from hrcam.cohort.reading.tiff import is_tiff, read_floats

_DEFLATE_RATIO = 1032
_BMP_RAW = 0
_WHITE_IS_ZERO, _UNSIGNED, _SIGNED = 0, 1, 2
_ALIKE = {"MPO": "JPEG"}  # with a preview
_PHOTOMETRIC, _SAMPLE_FORMAT, _BITS = 262, 339, 258  # tags of TIFF


def read_picture(path: Path, colour: Colour = "luminance") -> Image:
    """Decode a PNG, JPEG, TIFF, BMP or WebP picture.

    Grey values stay as they are, up to 16 bits or float32. The camera's orientation (EXIF) is
    applied. Palettes are looked up.

    Parameters
    ----------
    path : Path
        A file that starts as one of these formats does.
    colour : {"luminance", "rgb"}
        What becomes of colours; for "rgb" grey pictures have three equal channels.

    Returns
    -------
    Image
        Shape (C, rows, columns); the affine is the identity.

    Raises
    ------
    ImageError
        If the file is damaged, has several pages, transparent pixels, or colours that would lose
        precision.
    """
    with open_file(path) as file:
        content = read_bytes(file)
    reason = Reason.TRUNCATED if _is_cut(content) else Reason.UNREADABLE
    with decoding("picture", reason):
        channels, cautions, encoding = _channels(content, colour)
    stored = channels.shape[1:]
    spatial_shape(stored)
    return Image(channels, np.eye(4), stored, "picture", cautions=cautions, encoding=encoding)


def _channels(
    content: bytes, colour: Colour
) -> tuple[NDArray[np.float32], tuple[Caution, ...], str]:
    from PIL import UnidentifiedImageError

    try:
        picture = _open(content)
    except UnidentifiedImageError:
        if not is_tiff(content):
            raise
        with np.errstate(over="ignore"):
            stored = read_floats(content)
            values = stored.astype(np.float32)
        return grey_channels(values, colour), (), f"TIFF {stored.dtype.name}"
    picture.verify()  # the checksums of a PNG, which decoding alone passes over
    picture = _open(content)
    _check_contents(picture, len(content))
    encoding = f"{_ALIKE.get(picture.format, picture.format)} {picture.mode}"
    return *_decode(picture, colour), encoding


def _open(content: bytes) -> Any:
    from PIL import Image as Pillow

    return Pillow.open(io.BytesIO(content), formats=("PNG", "JPEG", "TIFF", "BMP", "WEBP"))


def _is_cut(content: bytes) -> bool:
    """Tell a file that ends before its end mark, or before the size that it declares."""
    declared = {b"BM": content[2:6], b"RI": content[4:8]}.get(content[:2])
    if declared is not None:
        header = 8 if content.startswith(b"RI") else 0  # a RIFF file's size is of what follows
        return len(content) < int.from_bytes(declared, "little") + header
    end = {b"\x89P": b"IEND", b"\xff\xd8": b"\xff\xd9"}.get(content[:2], b"")
    return end not in content[-1024:]


def _check_contents(picture: Any, size: int) -> None:
    pages = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)  # MPO: a preview
    if pages > 1:
        raise ImageError(
            Reason.UNSUPPORTED,
            f"the file has {pages} pages or frames",
            "save the one page as PNG; write a stack of slices as NIfTI",
        )
    pixels = picture.width * picture.height
    if pixels > _most_pixels(picture, size):  # before memory is taken for them
        raise ImageError(
            Reason.TRUNCATED,
            f"the header declares {picture.width} x {picture.height} pixels, more than "
            f"{size:,} bytes can hold",
            "copy or export the file again",
        )
    if picture.mode not in ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "I", "I;16", "I;16B", "F"):
        raise ImageError(
            Reason.UNSUPPORTED,
            f"the picture is in the colour mode {picture.mode}",
            "save it in grey or RGB",
        )
    layout = picture.tile[0].args if picture.tile else ""
    layout = layout if isinstance(layout, str) else layout[0]
    if picture.mode in ("LA", "RGB", "RGBA") and ";16" in layout:
        raise ImageError(
            Reason.UNSUPPORTED,
            "the picture has 16 bits for each colour, which would be cut to 8",
            "save each colour, or its luminance, as a grey picture of 16 bits",
        )


def _most_pixels(picture: Any, size: int) -> float:
    """Return how many pixels of one bit a file of this size can hold."""
    if picture.format == "PNG":
        return 8 * _DEFLATE_RATIO * size
    raw = picture.info.get("compression") in ("raw", _BMP_RAW)
    return 8 * size if raw else float("inf")


def _decode(picture: Any, colour: Colour) -> tuple[NDArray[np.float32], tuple[Caution, ...]]:
    from PIL import ImageOps

    tags = getattr(picture, "tag_v2", {})
    grey = picture.mode in ("1", "L", "I", "I;16", "I;16B", "F")
    if grey:
        values = _wide(np.asarray(ImageOps.exif_transpose(picture)), picture.mode, tags)
        return grey_channels(values.astype(np.float32), colour), ()
    colours = np.asarray(ImageOps.exif_transpose(picture).convert("RGBA"))
    if colours[..., 3].min() < 255:
        raise ImageError(
            Reason.UNSUPPORTED,
            f"{int((colours[..., 3] < 255).sum())} pixels are transparent: what is under them "
            "is not part of the picture",
            "flatten the picture onto its background and save it again",
        )
    return colour_channels(colours[..., :3], colour)


def _wide(values: NDArray[Any], mode: str, tags: Any) -> NDArray[Any]:
    """Mend what Pillow leaves undone for grey TIFF files, of more than 8 bits or with a sign."""
    if mode == "L" and tags.get(_SAMPLE_FORMAT, (_UNSIGNED,))[0] == _SIGNED:
        return values.view(np.int8)
    if mode in ("1", "L"):
        return values
    if mode == "I" and tags.get(_BITS) == (32,) and tags.get(_SAMPLE_FORMAT, (1,))[0] == _UNSIGNED:
        values = values.astype(np.int64) & 0xFFFFFFFF
    if tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        raise ImageError(
            Reason.UNSUPPORTED,
            "0 is white in this TIFF file",
            "save it with 0 as black (BlackIsZero)",
        )
    return values
