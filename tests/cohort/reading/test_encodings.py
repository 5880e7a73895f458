"""How files store their values, as readers tell it, and as a shortcut."""

import nibabel
import numpy as np
import pytest
from broken_files import dicom_slice, save, volume
from nibabel.freesurfer.mghformat import MGHImage
from PIL import Image as Pillow
from pydicom.uid import JPEG2000Lossless

from hrcam.cohort import open_cohort
from hrcam.cohort.check import check_cohort
from hrcam.cohort.reading import read_image, read_scan
from hrcam.cohort.scan import Scan

GREY = np.random.default_rng(0).integers(0, 256, (24, 20)).astype(np.uint8)
COLOURS = np.stack([GREY] * 3, axis=-1)


@pytest.mark.parametrize(
    ("pixels", "kind", "encoding"),
    [
        (GREY, "PNG", "PNG L"),
        (COLOURS, "PNG", "PNG RGB"),
        (GREY, "JPEG", "JPEG L"),
        (COLOURS, "WEBP", "WEBP RGB"),
        (GREY.astype(np.uint16), "TIFF", "TIFF I;16"),
    ],
)
def test_a_picture_tells_its_format_by_its_content(tmp_path, pixels, kind, encoding):
    path = tmp_path / "x.png"  # whatever it is called
    Pillow.fromarray(pixels).save(path, format=kind)
    assert read_image(path).encoding == encoding


def test_volumes_and_arrays_tell_their_type(tmp_path):
    affine = np.eye(4)
    nifti = tmp_path / "x.nii.gz"
    nibabel.save(nibabel.Nifti1Image(volume().astype(np.int16), affine), nifti)
    assert read_image(nifti).encoding == "int16"
    mgh = tmp_path / "x.mgz"
    nibabel.save(MGHImage(volume().astype(np.uint8), affine), mgh)
    assert read_image(mgh).encoding == "uint8"
    pair = tmp_path / "pair.img"
    nibabel.save(nibabel.Nifti1Pair(volume().astype(np.float32), affine), pair)
    assert read_image(pair).encoding == "float32"
    np.save(tmp_path / "x.npy", GREY.astype(">u2"))
    assert read_image(tmp_path / "x.npy").encoding == "uint16"


def test_dicom_tells_bits_and_compression(tmp_path):
    pixels = volume((3, 64, 64)).astype(np.uint16)
    plain = save(dicom_slice(pixels[0], (0, 0, 0)), tmp_path / "plain.dcm")
    assert read_image(plain).encoding == "16 bits, not compressed"
    packed = dicom_slice(pixels[0], (0, 0, 0))
    packed.compress(JPEG2000Lossless)
    packed.LossyImageCompression = "01"
    path = save(packed, tmp_path / "packed.dcm")
    assert read_image(path).encoding == (
        "16 bits, JPEG 2000 Image Compression (Lossless Only), lossy before"
    )


def test_channels_that_differ_tell_both(tmp_path):
    paths = {}
    for name, kind in {"t1": np.int16, "t2": np.float32, "pd": np.int16}.items():
        paths[name] = tmp_path / f"{name}.nii"
        nibabel.save(nibabel.Nifti1Image(volume().astype(kind), np.eye(4)), paths[name])
    assert read_scan(Scan("s", "s", paths)).encoding == "int16, float32"


def test_a_class_that_was_compressed_otherwise_is_warned_of(tmp_path):
    rows = ["participant_id\timage\tlabel"]
    generator = np.random.default_rng(0)
    for place in range(40):
        label, kind = [("healthy", "PNG"), ("ill", "JPEG")][place % 2]
        pixels = generator.integers(0, 256, (24, 20)).astype(np.uint8)
        Pillow.fromarray(pixels).save(tmp_path / f"{place:02d}.png", format=kind)
        rows.append(f"p{place:02d}\t{place:02d}.png\t{label}")
    (tmp_path / "participants.tsv").write_text("\n".join(rows) + "\n")
    checked = check_cohort(open_cohort(tmp_path), workers=1, progress=False)
    found = [each for each in checked.problems if each.reason == "shortcut"]
    assert found[0].advice.startswith("export all images alike from their originals (a converted")
    assert [each.message for each in found] == [
        "the encoding alone tells the classes, with an AUC of 1.00 over 40 participants or groups "
        "(JPEG L: ill 20; PNG L: healthy 20)"
    ]
