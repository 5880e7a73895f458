import gzip
import json
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from report_folders import write_maps

from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.scan_input import ScanInput
from hrcam.cohort.reading import read_image
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.errors import InputError
from hrcam.report.viewer.scan_view import read_grid, read_view


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_the_maps_of_a_picture_are_turned_for_the_page(picture_folders, pictures):
    record = read_maps(picture_folders[1]).records[3]
    view = read_view(record)
    np.testing.assert_allclose(
        view.maps["pattern"][..., 0], pictures[3].maps["pattern"].T, rtol=1e-6
    )
    assert (view.image.min(), view.image.max(), view.note) == (0, 255, "")


def test_the_image_and_maps_of_a_volume_lie_on_each_other(volume_maps, volumes):
    record = read_maps(volume_maps).records[1]
    view = read_view(record)
    assert view.grid.is_volume
    assert view.image.shape == view.maps["pattern"].shape == view.grid.page_shape
    file = nibabel.as_closest_canonical(nibabel.load(record.files["pattern"]))
    np.testing.assert_allclose(view.maps["pattern"], file.get_fdata(), rtol=1e-6)
    np.testing.assert_allclose(view.grid.page_affine, file.affine, atol=1e-6)
    source = nibabel.as_closest_canonical(nibabel.load(record.sources[0])).get_fdata()
    assert np.corrcoef(view.image.ravel(), source.ravel())[0, 1] > 0.99


def test_the_grid_of_a_scan_is_known_before_its_values(volume_maps, picture_folders):
    for folder in (volume_maps, picture_folders[1]):
        record = read_maps(folder).records[0]
        assert read_grid(record).page_shape == read_view(record).grid.page_shape


def test_without_the_image_the_maps_are_shown_alone(volume_maps, tmp_path):
    shutil.copytree(volume_maps, tmp_path / "maps")
    edit(
        next((tmp_path / "maps").glob("*000/anat/*.json")), SourceFiles=["/secret/place/t1.nii.gz"]
    )
    edit(next((tmp_path / "maps").glob("*001/anat/*.json")), SourceFiles=[])
    gone, unknown = (read_view(record) for record in read_maps(tmp_path / "maps").records[:2])
    assert gone.image is None
    assert "t1.nii.gz" in gone.note
    assert "secret" not in gone.note
    assert (unknown.image, unknown.note[:23]) == (None, "The image is not known;")


def test_a_picture_in_colour_next_to_the_maps_is_no_map(pictures, tmp_path):
    folder = write_maps(tmp_path / "maps", pictures[:1])
    path = next(folder.glob("*/anat/*.json"))
    files = {"overlay": "a.png", **json.loads(path.read_text())["Files"], "std": "a.npy"}
    (path.parent / "a.png").touch()
    edit(path, Files=files)
    assert set(read_view(read_maps(folder).records[0]).maps) == {"pattern", "evidence"}


def test_an_image_of_another_shape_is_not_shown(pictures, tmp_path):
    maps = {kind: values[:, :-1] for kind, values in pictures[0].maps.items()}
    folder = write_maps(
        tmp_path / "maps", [replace(pictures[0], maps=maps, changes={"Shape": [48, 47]})]
    )
    view = read_view(read_maps(folder).records[0])
    assert view.image is None
    assert "(48, 48), not (48, 47)" in view.note


def test_of_several_channels_the_first_is_shown(pictures, tmp_path):
    folder = write_maps(tmp_path / "maps", pictures[:1])
    source = folder.with_name("maps-images") / "0.png"
    size = 2 * source.stat().st_size
    edit(next(folder.glob("*/anat/*.json")), SourceFiles=[str(source)] * 2, SourceBytes=size)
    assert "first of 2 channels" in read_view(read_maps(folder).records[0]).note


@pytest.mark.parametrize("kind", ["other", "same size"])
def test_a_file_that_was_not_mapped_is_not_shown(pictures, tmp_path, kind):
    """A record that was changed, or comes from elsewhere, must not put any file on the page."""
    folder = write_maps(tmp_path / "maps", pictures[:2])
    _, second = sorted(folder.with_name("maps-images").glob("*.png"))
    secret = tmp_path / "elsewhere" / "secret.png"
    secret.parent.mkdir()
    content = second.read_bytes()
    secret.write_bytes(content)
    size = {} if kind == "other" else {"SourceBytes": len(content)}
    edit(next(folder.glob("*000/anat/*.json")), SourceFiles=[str(secret)], **size)
    view = read_view(read_maps(folder).records[0])
    assert view.image is None
    assert view.note == (
        "The image secret.png is not the file that was mapped, or was changed since; the maps are "
        "shown alone."
    )


def test_a_copy_with_a_new_time_is_known_by_its_voxels(pictures, tmp_path):
    folder = write_maps(tmp_path / "maps", pictures[:1])
    (source,) = folder.with_name("maps-images").glob("*.png")
    voxels = voxel_hash(read_image(source))
    edit(next(folder.glob("*/anat/*.json")), VoxelHash=voxels, SourceModified=1.0)
    assert read_view(read_maps(folder).records[0]).note == ""
    edit(next(folder.glob("*/anat/*.json")), VoxelHash="0" * 64)
    assert read_view(read_maps(folder).records[0]).image is None


def break_npy(path):
    path.write_bytes(path.read_bytes()[:-9])


def pickle_npy(path):
    np.save(path, np.array([{"a": 1}], object), allow_pickle=True)


def nan_npy(path):
    np.save(path, np.full((48, 48), np.nan, np.float32))


def other_shape(path):
    np.save(path, np.zeros((48, 40), np.float32))


@pytest.mark.parametrize("breakage", [break_npy, pickle_npy, nan_npy, other_shape])
def test_a_damaged_picture_map_is_refused(pictures, tmp_path, breakage):
    folder = write_maps(tmp_path / "maps", pictures[:1])
    record = read_maps(folder).records[0]
    breakage(record.files["pattern"])
    with pytest.raises(InputError, match="desc-pattern"):
        read_view(record)


@pytest.mark.parametrize("part", ["missing", "empty", "header", "half", "wrong"])
def test_a_damaged_volume_map_is_refused(volumes, tmp_path, part):
    record = read_maps(write_maps(tmp_path / "maps", volumes[:1])).records[0]
    path = record.files["pattern"]
    content = path.read_bytes()
    if part == "missing":
        path.unlink()
    else:
        cut = {"empty": b"", "header": content[:50], "half": content[: len(content) // 2]}
        path.write_bytes(cut.get(part, gzip.compress(b"not an image" * 99)))
    with pytest.raises(InputError, match="desc-pattern"):
        read_view(record)


def test_findings_and_the_true_mask_are_turned_for_the_page(pictures, tmp_path):
    found = pictures[1].maps["pattern"] > 2
    mask = np.zeros_like(found)
    mask[3:9, 20:30] = True
    scan = replace(pictures[1], found=3 * found, mask=255 * mask)
    folder = write_maps(tmp_path / "maps", [scan])
    view = read_view(read_maps(folder).records[0])
    np.testing.assert_array_equal(view.findings[..., 0], found.T)
    np.testing.assert_array_equal(view.truth[..., 0], mask.T)
    assert view.note == ""
    # Another file in its place is not opened.
    (path,) = folder.with_name("maps-images").glob("mask-*")
    edit(next(folder.glob("*/*/*.json")), MaskModified=1.0)
    view = read_view(read_maps(folder).records[0])
    assert view.truth is None
    assert view.note == f"The mask {path.name} is gone or was changed since; it is not shown."


def test_what_the_network_saw_is_turned_for_the_page(pictures, volumes, tmp_path):
    box = [[2, 9], [0, 24], [5, 7]]
    about = ScanInput(tuple(map(tuple, box)), 0.1, None, None, None, None, 0, "new").to_json()
    scan = replace(volumes[0], changes={"Input": about})
    view = read_view(read_maps(write_maps(tmp_path / "maps", [scan])).records[0])
    native = np.zeros((24, 24, 24), bool)
    native[2:9, :, 5:7] = True
    turn = nibabel.io_orientation(scan.affine)
    np.testing.assert_array_equal(view.box, nibabel.apply_orientation(native, turn))
    whole = replace(volumes[0], changes={"Input": about | {"Share": 1.0}})
    for each in (whole, pictures[0]):
        folder = write_maps(tmp_path / each.name / str(len(each.changes)), [each])
        assert read_view(read_maps(folder).records[0]).box is None


def test_a_mask_of_another_grid_is_not_shown(pictures, tmp_path):
    scan = replace(pictures[1], mask=np.ones((4, 5)))
    view = read_view(read_maps(write_maps(tmp_path / "maps", [scan])).records[0])
    assert view.truth is None
    assert view.image is not None
    assert view.note.startswith("The mask mask-0.png cannot be shown (image and mask differ")
