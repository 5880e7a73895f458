"""A prepared scan from a cache is the one that was put there, bit by bit."""

import nibabel
import numpy as np
import pytest
from PIL import Image as Pillow

from hrcam.artifacts.cache import Cache
from hrcam.cohort.problems import ImageError
from hrcam.cohort.reading import read_scan
from hrcam.cohort.reading.content import content_hash
from hrcam.cohort.scan import Scan
from hrcam.preparation import Preparation, prepared_scan
from hrcam.preparation.prepared_scan import prepare_scan

VOLUME = Preparation(
    dimensions=3, channels=("image",), in_channels=1, shape=(12, 10, 8), spacing=(1.5, 1.5, 1.5),
    orientation="RAS", left_right=None, crop_to_foreground=True,
)  # fmt: skip
PICTURE = Preparation(
    dimensions=2, channels=("image",), in_channels=1, shape=(16, 16), spacing=None,
    orientation="stored", left_right=None, crop_to_foreground=False,
)  # fmt: skip


def volume(folder):
    values = np.random.default_rng(0).normal(size=(14, 15, 9)).astype(np.float32)
    values[:3] = 0
    affine = np.array([[-1.2, 0.1, 0, 5], [0, 1.1, 0.2, 6], [0.1, 0, 1.3, -7], [0, 0, 0, 1]])
    path = folder / "volume.nii.gz"
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return Scan("sub-01", "p1", {"image": path}), VOLUME


def grey(folder):
    pixels = np.random.default_rng(1).integers(0, 255, (20, 31), np.uint8)
    Pillow.fromarray(pixels).save(folder / "grey.png")
    return Scan("sub-02", "p2", {"image": folder / "grey.png"}), PICTURE


def deep(folder):
    pixels = np.random.default_rng(1).integers(0, 65535, (20, 31)).astype(np.uint16)
    Pillow.fromarray(pixels).save(folder / "deep.png")
    return Scan("sub-03", "p3", {"image": folder / "deep.png"}), PICTURE


def coloured(folder):
    pixels = np.random.default_rng(2).integers(0, 255, (20, 31, 3), np.uint8)
    Pillow.fromarray(pixels).save(folder / "coloured.png")
    scan = Scan("sub-04", "p4", {"image": folder / "coloured.png"}, colour="rgb")
    return scan, PICTURE.model_copy(update={"in_channels": 3, "colour": "rgb"})


@pytest.mark.parametrize("example", [volume, grey, deep, coloured])
def test_it_is_the_same_and_decoded_once(tmp_path, monkeypatch, example):
    scan, preparation = example(tmp_path)
    cache = Cache(tmp_path / "cache", 10**9)
    plain, first = prepare_scan(scan, preparation), prepare_scan(scan, preparation, cache)
    monkeypatch.setattr(prepared_scan, "read_scan", None)
    again = prepare_scan(scan, preparation, cache)
    values = np.random.default_rng(3).normal(size=preparation.shape)
    for found in (first, again):
        assert found.voxel_hash == plain.voxel_hash
        assert found.prepared.voxels.tobytes() == plain.prepared.voxels.tobytes()
        assert found.prepared.grid == plain.prepared.grid
        assert np.array_equal(found.prepared.to_native(values), plain.prepared.to_native(values))
        for name in ("format", "shape", "stored_shape"):
            assert getattr(found.space, name) == getattr(plain.space, name)
        assert found.space.affine.tobytes() == plain.space.affine.tobytes()
        assert (found.picture is None) == (plain.picture is None)
        if plain.picture is not None:
            assert found.picture.dtype == np.float32
            assert found.picture.tobytes() == plain.picture.tobytes()


def test_another_preparation_or_another_content_is_decoded(tmp_path):
    scan, preparation = grey(tmp_path)
    cache = Cache(tmp_path / "cache", 10**9)
    prepare_scan(scan, preparation, cache)
    other = preparation.model_copy(update={"shape": (24, 16)})
    assert prepare_scan(scan, other, cache).prepared.voxels.shape == (1, 24, 16)
    Pillow.fromarray(np.eye(20, 31, dtype=np.uint8)).save(scan.images["image"])
    expected = preparation.apply(read_scan(scan)).voxels
    assert np.array_equal(prepare_scan(scan, preparation, cache).prepared.voxels, expected)


def test_an_image_that_cannot_be_used_is_refused_as_without(tmp_path):
    scan, preparation = grey(tmp_path)
    cache = Cache(tmp_path / "cache", 10**9)
    scan.images["image"].write_bytes(b"\x89PNG, but no more of it")
    for _ in range(2):
        with pytest.raises(ImageError):
            prepare_scan(scan, preparation, cache)
    scan.images["image"].unlink()
    assert content_hash(scan) is None
    with pytest.raises(ImageError, match="no such file"):
        prepare_scan(scan, preparation, cache)


def test_the_hash_is_of_all_files_that_are_read(tmp_path):
    series = tmp_path / "series"
    series.mkdir()
    (series / "1.dcm").write_bytes(b"one")
    for ending in ("hdr", "img"):
        (tmp_path / f"pair.{ending}").write_bytes(b"one")
    (tmp_path / "mask.png").write_bytes(b"one")
    folder, pair = (Scan("s", "p", {"image": place}) for place in (series, tmp_path / "pair.img"))
    masked = Scan("s", "p", {"image": series}, mask=tmp_path / "mask.png")

    def hashes():
        return content_hash(folder), content_hash(pair), content_hash(masked, mask=True)

    seen = [hashes()]
    for change in ("series/1.dcm", "series/2.dcm", "pair.hdr", "pair.mat", "mask.png"):
        (tmp_path / change).write_bytes(b"two")
        seen.append(hashes())
    series_hashes, pairs, masks = (list(column) for column in zip(*seen, strict=True))
    assert [len(set(column)) for column in (series_hashes, pairs, masks)] == [3, 3, 4]
    assert content_hash(masked) == content_hash(folder)
    assert len({content_hash(folder), content_hash(pair)}) == 2
