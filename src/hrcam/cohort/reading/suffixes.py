"""What the name of a file promises: a format that is read, or one that has to be converted."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from hrcam.cohort.image import Format

SUPPORTED = "NIfTI, DICOM, MGH, Analyze, PNG, JPEG, TIFF, BMP, WebP or .npy"

_SUFFIXES: Mapping[str, Format] = MappingProxyType(
    {
        ".nii": "nifti",
        ".nii.gz": "nifti",
        ".img": "analyze",
        ".img.gz": "analyze",
        ".hdr": "analyze",
        ".hdr.gz": "analyze",
        ".mgz": "mgh",
        ".mgh": "mgh",
        ".dcm": "dicom",
        ".dicom": "dicom",
        ".ima": "dicom",
        ".png": "picture",
        ".jpg": "picture",
        ".jpeg": "picture",
        ".tif": "picture",
        ".tiff": "picture",
        ".bmp": "picture",
        ".webp": "picture",
        ".npy": "array",
    }
)


@dataclass(frozen=True)
class UnreadFormat:
    """A format of images that is not read.

    Attributes
    ----------
    name
        With its article: "an NRRD volume".
    advice
        How to convert it.
    """

    name: str
    advice: str


_BY_SITK = (
    "convert it to .nii.gz, as 3D Slicer does, or SimpleITK: `sitk.WriteImage(sitk.ReadImage(old), "
    "new)`"
)
_AS_PNG = "save it as PNG or TIFF"
_UNPACK = "decompress it"

NRRD = UnreadFormat("an NRRD volume", _BY_SITK)
META_IMAGE = UnreadFormat("a MetaImage volume", _BY_SITK)
MINC = UnreadFormat("a MINC volume", "convert it to NIfTI: `mnc2nii old.mnc new.nii`")
GIF = UnreadFormat("a GIF picture", _AS_PNG)
ARCHIVE = UnreadFormat("a ZIP archive", "unpack it")
HDF5 = UnreadFormat("an HDF5 or MATLAB file", "save each image in it as NIfTI or .npy")

_UNREAD: Mapping[str, UnreadFormat] = MappingProxyType(
    {
        ".nrrd": NRRD,
        ".nhdr": NRRD,
        ".mha": META_IMAGE,
        ".mhd": META_IMAGE,
        ".gipl": UnreadFormat("a GIPL volume", _BY_SITK),
        ".vtk": UnreadFormat("a VTK volume", _BY_SITK),
        ".mnc": MINC,
        ".mnc.gz": MINC,
        ".head": UnreadFormat("an AFNI volume", "convert it to NIfTI: `3dAFNItoNIFTI old+orig`"),
        ".par": UnreadFormat("a Philips PAR/REC volume", "convert it to NIfTI: `dcm2niix FOLDER`"),
        ".dcm.gz": UnreadFormat("a compressed DICOM file", f"{_UNPACK}: `gunzip FILE`"),
        ".dcm.bz2": UnreadFormat("a compressed DICOM file", f"{_UNPACK}: `bunzip2 FILE`"),
        ".dcm.zip": UnreadFormat("a compressed DICOM file", f"{_UNPACK}: `unzip FILE`"),
        ".nii.bz2": UnreadFormat("a NIfTI file packed by bzip2", f"{_UNPACK}: `bunzip2 FILE`"),
        ".nii.xz": UnreadFormat("a NIfTI file packed by xz", f"{_UNPACK}: `unxz FILE`"),
        ".nii.zst": UnreadFormat("a NIfTI file packed by zstd", f"{_UNPACK}: `unzstd FILE`"),
        ".nii.zip": UnreadFormat("a NIfTI file packed by zip", f"{_UNPACK}: `unzip FILE`"),
        ".gif": GIF,
        ".jp2": UnreadFormat("a JPEG 2000 picture", _AS_PNG),
        ".j2k": UnreadFormat("a JPEG 2000 picture", _AS_PNG),
        ".heic": UnreadFormat("an HEIF picture", _AS_PNG),
        ".heif": UnreadFormat("an HEIF picture", _AS_PNG),
        ".avif": UnreadFormat("an AVIF picture", _AS_PNG),
        ".tga": UnreadFormat("a Targa picture", _AS_PNG),
        ".pgm": UnreadFormat("a PNM picture", _AS_PNG),
        ".ppm": UnreadFormat("a PNM picture", _AS_PNG),
        ".pnm": UnreadFormat("a PNM picture", _AS_PNG),
        ".svs": UnreadFormat("a whole-slide image", "save regions of it as PNG or TIFF"),
        ".ndpi": UnreadFormat("a whole-slide image", "save regions of it as PNG or TIFF"),
        ".mrxs": UnreadFormat("a whole-slide image", "save regions of it as PNG or TIFF"),
        ".czi": UnreadFormat("a Zeiss microscope image", "save each plane as TIFF"),
        ".npz": UnreadFormat("several NumPy arrays in one file", "save each image as .npy"),
    }
)


def promised_format(path: Path) -> Format | None:
    """Return what the name says a file is, or None where it says nothing that is read."""
    suffix = _longest(path.name, _SUFFIXES)
    return _SUFFIXES[suffix] if suffix and unread_format(path) is None else None


def unread_format(path: Path) -> UnreadFormat | None:
    """Return the format that a name tells and that is not read; None for any other name."""
    suffix = _longest(path.name, _UNREAD)
    return _UNREAD[suffix] if suffix else None


def without_suffix(name: str) -> str:
    """Return a file's name without the suffix that tells its format: both parts of ``.nii.gz``."""
    suffix = max(_longest(name, _SUFFIXES), _longest(name, _UNREAD), key=len)
    return name[: -len(suffix)] if suffix else name


def names_a_slice(path: Path) -> bool:
    """Tell names that slices of a DICOM series have: IM0001, 1.2.840.7, or x.dcm."""
    if promised_format(path) == "dicom":
        return True
    no_suffix = not any(letter.isalpha() for letter in path.suffix)
    return no_suffix and any(letter.isdigit() for letter in path.name)


def holds_voxels(path: Path) -> bool:
    """Tell the file of a pair that holds the voxels, ``x.img``, from its header, ``x.hdr``."""
    return _longest(path.name, _SUFFIXES).startswith(".img")


def partners_of(path: Path) -> tuple[Path, ...]:
    """Return what the other file of a pair may be called: ``x.img``, ``x.img.gz`` of ``x.hdr``."""
    suffix = _longest(path.name, _SUFFIXES)
    stem, written = path.name[: -len(suffix)], path.name[-len(suffix) :]
    other = ".hdr" if suffix.startswith(".img") else ".img"
    endings = [other + suffix[4:], other, f"{other}.gz"]
    if written.isupper():
        endings = [ending.upper() for ending in endings]
    return tuple(path.with_name(stem + ending) for ending in dict.fromkeys(endings))


def _longest(name: str, suffixes: Mapping[str, object]) -> str:
    """Return the longest suffix of a name; "" for none."""
    low = name.lower()
    return max((suffix for suffix in suffixes if low.endswith(suffix)), key=len, default="")
