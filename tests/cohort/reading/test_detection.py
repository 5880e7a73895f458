"""What a path is told to be before it is read."""

import os
from pathlib import Path

import pytest
from broken_files import write_nifti, write_png, write_series

from hrcam.cohort.problems import ImageError, Reason
from hrcam.cohort.reading import is_image, read_image


def test_files_named_as_images_are_images(tmp_path):
    for name in ("a.nii", "a.nii.gz", "A.PNG", "a.jpeg", "a.tif", "a.npy", "a.dcm", "a.b.nii.gz"):
        (tmp_path / name).write_bytes(b"")
        assert is_image(tmp_path / name), name
    for name in ("a.txt", "participants.tsv", ".a.nii", "a.gz", "nii", "README"):
        (tmp_path / name).write_bytes(b"x" * 200)
        assert not is_image(tmp_path / name), name
    assert not is_image(tmp_path / "missing.nii")


def test_folders_with_dicom_files_are_images(tmp_path):
    series = tmp_path / "series"
    write_series(series)
    (series / "IM0001.dcm").rename(series / "IM0001")
    assert is_image(series)
    assert is_image(series / "IM0001")
    assert not is_image(tmp_path)
    (tmp_path / "DICOMDIR").write_bytes((series / "IM0001").read_bytes())
    assert not is_image(tmp_path)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("x.nii.gz", "x.nii"),
        ("x.nii", "x.nii.gz"),
        ("x.nii.gz", "x"),
        ("x.png", "x.jpg"),
        ("x.png", "x.unknown"),
    ],
)
def test_the_content_decides_within_a_format(tmp_path, old, new):
    write = write_png if old.endswith("png") else write_nifti
    before = read_image(write(tmp_path / old))
    after = read_image((tmp_path / old).rename(tmp_path / new))
    assert after.voxels.tobytes() == before.voxels.tobytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"PK\x03\x04rest", "ZIP"),
        (b"%PDF-1.7", "PDF"),
        (b"GIF89a", "GIF"),
        (b"subject\tage\n", "text"),
        (b"\0" * 500, "nothing but zeros"),
        (b"\x1f\x8b\x08\0garbage", "gzip"),
        (b"\x08\0\x05\0CS", "DICOM without its preamble"),
        (bytes(range(100, 130)) + b"\0", "of no known format"),
    ],
)
@pytest.mark.parametrize("name", ["x.nii.gz", "x.dcm", "x"])
def test_the_message_says_what_a_foreign_file_is(tmp_path, content, said, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImageError, match=said) as refused:
        read_image(tmp_path / name)
    assert refused.value.reason == Reason.WRONG_FORMAT


def test_a_pipe_does_not_block(tmp_path):
    os.mkfifo(tmp_path / "x.nii")
    with pytest.raises(ImageError) as refused:
        read_image(tmp_path / "x.nii")
    assert refused.value.reason == Reason.UNSUPPORTED


def test_a_path_that_cannot_be_a_file(tmp_path):
    for path in (Path("x\0.nii"), tmp_path / ("x" * 300 + ".nii")):
        with pytest.raises(ImageError) as refused:
            read_image(path)
        assert refused.value.reason == Reason.UNREADABLE
    write_png(tmp_path / "x.png")
    with pytest.raises(ImageError) as refused:
        read_image(tmp_path / "x.png" / "y.nii")
    assert refused.value.reason == Reason.MISSING


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission(tmp_path):
    path = write_nifti(tmp_path / "x.nii.gz")
    path.chmod(0)
    with pytest.raises(ImageError, match="permission") as refused:
        read_image(path)
    assert refused.value.reason == Reason.UNREADABLE


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux")
def test_a_file_that_the_system_fails_to_read(tmp_path):
    (tmp_path / "x.nii").symlink_to("/proc/self/mem")  # its first page is nobody's
    with pytest.raises(ImageError, match="cannot be read") as refused:
        read_image(tmp_path / "x.nii")
    assert refused.value.reason == Reason.UNREADABLE
