"""Small image files of every format, and the ways in which they arrive broken.

``BROKEN`` names each way: a function that makes the file (or folder) in a folder and returns its
path, and the reason with which it must be refused.
"""

import gzip
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image as Pillow
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from hrcam.cohort.problems import Reason

RNG_SEED = 7
MR_IMAGE = "1.2.840.10008.5.1.4.1.1.4"
LFS_POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2\nsize 132\n"


def volume(shape: tuple[int, ...] = (9, 8, 7)) -> np.ndarray:
    """Whole numbers from 0 to 999, the same every time."""
    return np.random.default_rng(RNG_SEED).integers(0, 1000, shape).astype(np.int16)


def oblique_affine() -> np.ndarray:
    """Anisotropic voxels, turned about two axes, one of them flipped."""
    a, b = np.radians(20), np.radians(-35)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_z = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = about_x @ about_z @ np.diag([-0.8, 1.1, 3.0])
    affine[:3, 3] = 12.5, -40.25, 7.75
    return affine


def write_nifti(
    path: Path,
    voxels: np.ndarray | None = None,
    affine: np.ndarray | None = None,
    codes: tuple[int, int] = (1, 1),
    qform: np.ndarray | None = None,
    **header: object,
) -> Path:
    """Write a NIfTI-1 file with both forms, then set fields of its header as they are."""
    affine = oblique_affine() if affine is None else affine
    image = nibabel.Nifti1Image(volume() if voxels is None else voxels, affine)
    image.set_sform(affine, codes[0])
    image.set_qform(affine if qform is None else qform, codes[1])
    content = bytearray(image.to_bytes())
    if header:
        mended = nibabel.Nifti1Header(bytes(content[:348]), check=False)
        for name, value in header.items():
            mended[name] = value
        content[:348] = mended.binaryblock
    packed = gzip.compress(bytes(content), mtime=0) if path.name.endswith(".gz") else content
    path.write_bytes(bytes(packed))
    return path


def dicom_slice(pixels: np.ndarray, position: Sequence[float], **attributes: object) -> Dataset:
    """An axial MR slice of unsigned 16-bit pixels, shape (rows, columns)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = MR_IMAGE
    dataset.SOPClassUID, dataset.SOPInstanceUID = MR_IMAGE, generate_uid()
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.SeriesInstanceUID, dataset.Modality = "1.2.3.4", "MR"
    dataset.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    dataset.ImagePositionPatient = [float(value) for value in position]
    dataset.PixelSpacing, dataset.SliceThickness = [0.5, 0.75], 2.0
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = pixels.dtype.itemsize * 8
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    content = np.ascontiguousarray(pixels).tobytes()
    dataset.PixelData = content + b"\0" * (len(content) % 2)
    dataset["PixelData"].VR = "OW" if pixels.dtype.itemsize == 2 else "OB"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def save(dataset: Dataset, path: Path) -> Path:
    """Write a DICOM file with its preamble."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def write_series(folder: Path, slices: int = 6, spacing: float = 3.0) -> list[Path]:
    """Write axial slices whose file names run against their positions."""
    folder.mkdir(parents=True, exist_ok=True)
    voxels = volume((slices, 8, 9)).astype(np.uint16)  # slices, rows, columns
    return [
        save(dicom_slice(voxels[k], (-20, 30, spacing * k)), folder / f"IM{slices - k:04d}.dcm")
        for k in range(slices)
    ]


def write_png(path: Path, pixels: np.ndarray | None = None) -> Path:
    """Write a picture in the format of its suffix; 8 bits by default."""
    pixels = (volume((12, 10)) % 256).astype(np.uint8) if pixels is None else pixels
    Pillow.fromarray(pixels).save(path)
    return path


def cut(path: Path, share: float = 0.5) -> Path:
    """Keep the first part of a file."""
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    return path


def _content(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _broken_link(folder: Path) -> Path:
    (folder / "x.png").symlink_to("nowhere")
    return folder / "x.png"


def _object_array(folder: Path) -> Path:
    np.save(folder / "x.npy", np.array([[{}, {}]]))
    return folder / "x.npy"


def _with(value: float) -> np.ndarray:
    voxels = volume().astype(np.float32)
    voxels[3, 2, 1] = value
    return voxels


def _sheared(by: float) -> np.ndarray:
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[0, 1] = by
    return affine


def _gap(folder: Path) -> Path:
    write_series(folder / "series")[2].unlink()
    return folder / "series"


def _cut_slice(folder: Path) -> Path:
    cut(write_series(folder / "series")[-1], 0.9)
    return folder / "series"


def _empty_slice(folder: Path) -> Path:
    _content(write_series(folder / "series")[-1], b"")
    return folder / "series"


def _two_series(folder: Path) -> Path:
    write_series(folder / "series")
    other = dicom_slice(volume((8, 9)).astype(np.uint16), (0, 0, 99), SeriesInstanceUID="1.2.3.5")
    save(other, folder / "series" / "other.dcm")
    return folder / "series"


def _no_dicom(folder: Path) -> Path:
    (folder / "series").mkdir()
    (folder / "series" / "README").write_text("nothing here")
    return folder / "series"


_LEFT_RIGHT_SWAPPED = oblique_affine() @ np.diag([-1, 1, 1, 1])

Maker = Callable[[Path], Path]

BROKEN: dict[str, tuple[Maker, Reason]] = {
    "missing file": (lambda d: d / "none.nii.gz", Reason.MISSING),
    "broken link": (_broken_link, Reason.MISSING),
    "empty file": (lambda d: _content(d / "x.nii.gz", b""), Reason.EMPTY),
    "Git-LFS pointer": (lambda d: _content(d / "x.nii", LFS_POINTER.encode()), Reason.LFS_POINTER),
    "PNG named .nii": (
        lambda d: write_png(d / "x.png").rename(d / "x.nii"),
        Reason.WRONG_FORMAT,
    ),
    "NIfTI named .png": (
        lambda d: write_nifti(d / "x.nii.gz").rename(d / "x.png"),
        Reason.WRONG_FORMAT,
    ),
    "HTML named .nii.gz": (
        lambda d: _content(d / "x.nii.gz", b"\n<!DOCTYPE html><html></html>"),
        Reason.WRONG_FORMAT,
    ),
    "half a .nii.gz": (lambda d: cut(write_nifti(d / "x.nii.gz")), Reason.TRUNCATED),
    "half a .nii": (lambda d: cut(write_nifti(d / "x.nii")), Reason.TRUNCATED),
    "half a PNG": (lambda d: cut(write_png(d / "x.png")), Reason.TRUNCATED),
    "half a JPEG": (lambda d: cut(write_png(d / "x.jpg"), 0.9), Reason.TRUNCATED),
    "half a DICOM file": (lambda d: cut(write_series(d)[0], 0.9), Reason.TRUNCATED),
    "garbage after the gzip stream": (
        lambda d: _content(
            d / "x.nii.gz", write_nifti(d / "y.nii.gz").read_bytes() + b"and some more"
        ),
        Reason.UNREADABLE,
    ),
    "huge shape in the header": (
        lambda d: write_nifti(d / "x.nii.gz", dim=[3, 30000, 30000, 30000, 1, 1, 1, 1]),
        Reason.TRUNCATED,
    ),
    "axis without length": (
        lambda d: write_nifti(d / "x.nii.gz", dim=[3, 9, 0, 7, 1, 1, 1, 1]),
        Reason.EMPTY,
    ),
    "4D": (lambda d: write_nifti(d / "x.nii.gz", volume((5, 4, 3, 2))), Reason.TIME_AXIS),
    "NaN": (lambda d: write_nifti(d / "x.nii.gz", _with(np.nan)), Reason.NOT_FINITE),
    "infinite": (lambda d: write_nifti(d / "x.nii.gz", _with(-np.inf)), Reason.NOT_FINITE),
    "constant": (lambda d: write_nifti(d / "x.nii.gz", volume() * 0 + 5), Reason.CONSTANT),
    "complex numbers": (
        lambda d: write_nifti(d / "x.nii.gz", volume().astype(np.complex64)),
        Reason.UNSUPPORTED,
    ),
    "qform and sform disagree": (
        lambda d: write_nifti(d / "x.nii.gz", qform=_LEFT_RIGHT_SWAPPED),
        Reason.FORMS_DISAGREE,
    ),
    "singular affine": (
        lambda d: write_nifti(
            d / "x.nii.gz", srow_x=[0, 0, 0, 5], codes=(1, 0), affine=np.eye(4)
        ),
        Reason.SINGULAR_AFFINE,
    ),
    "voxel size 0": (
        lambda d: write_nifti(d / "x.nii.gz", pixdim=[1, 1, 0, 1, 0, 0, 0, 0]),
        Reason.VOXEL_SIZE,
    ),
    "DICOM slice missing": (_gap, Reason.SLICE_GAP),
    "DICOM slice cut": (_cut_slice, Reason.TRUNCATED),
    "DICOM slice empty": (_empty_slice, Reason.EMPTY),
    "two DICOM series": (_two_series, Reason.MIXED_SERIES),
    "folder without DICOM": (_no_dicom, Reason.MISSING),
    "object array": (_object_array, Reason.UNSUPPORTED),
}  # fmt: skip


def sheared(folder: Path) -> Path:
    """A volume that is accepted with a caution: its axes miss right angles by 14 degrees."""
    return write_nifti(folder / "sheared.nii.gz", affine=_sheared(0.5), codes=(2, 0))
