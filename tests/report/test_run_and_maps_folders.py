import gzip
import json
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from report_folders import write_maps, write_run

from hrcam.artifacts.maps_folder import is_maps, read_maps, software
from hrcam.artifacts.run_folder import is_run, read_run
from hrcam.errors import InputError
from hrcam.report.viewer.scan_view import read_grid, read_view


@pytest.fixture
def run(pictures, tmp_path):
    return write_run(tmp_path / "run", pictures)


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_run_is_read(run, pictures):
    content = read_run(run)
    assert content.classes == ("control", "lesion")
    assert [each.scan for each in content.predictions] == [scan.name for scan in pictures]
    assert content.predictions[3].network == pytest.approx(pictures[3].probabilities)
    assert sum(content.predictions[3].head) == pytest.approx(1)
    assert content.config["epochs"] == 12
    assert is_run(run)
    assert not is_maps(run)


def test_what_a_run_may_lack(run):
    for name in ("fingerprint.json", "refused.tsv", "splits.tsv"):
        (run / name).unlink()
    table = run / "predictions.tsv"
    table.write_text(table.read_text().replace("head_probability_lesion", "x"))
    content = read_run(run)
    assert (content.fingerprint, content.refused, content.splits) == ({}, (), ())
    assert {each.head for each in content.predictions} == {None}


@pytest.mark.parametrize(
    "name", ["metrics.json", "predictions.tsv", "config.json", "preparation.json"]
)
def test_a_run_that_lacks_a_file_is_refused(run, name):
    (run / name).unlink()
    with pytest.raises(InputError, match=rf"^{run / name} is missing: was it stopped"):
        read_run(run)


def test_an_unfinished_run_is_refused_with_what_to_do(run):
    for name in ("manifest.json", "metrics.json", "predictions.tsv"):
        (run / name).unlink()
    with pytest.raises(InputError, match="training is not complete; run the command `hrcam train"):
        read_run(run)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("metrics.json", "{", "", "not valid JSON"),
        ("metrics.json", '"classes"', '"x"', "no classes"),
        ("predictions.tsv", "probability_lesion", "x", "no column probability_lesion"),
        ("predictions.tsv", "\tcontrol\t1", "\tother\t1", "'other', which is none of"),
        ("predictions.tsv", "\tcontrol\t1\t", "\tcontrol\t1\tx\t", "row 3 has not as many"),
        ("predictions.tsv", "\tcontrol\t0.", "\tcontrol\t-0.", "is '-0"),
        ("predictions.tsv", "\tcontrol\t0.", "\tcontrol\tnan", "is 'nan"),
        ("config.json", "{", "[{", "not valid JSON"),
    ],
)
def test_a_damaged_run_is_refused(run, name, old, new, message):
    path = run / name
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        read_run(run)


def test_a_json_file_that_holds_a_list_is_refused(run):
    (run / "config.json").write_text("[]")
    with pytest.raises(InputError, match="no JSON object"):
        read_run(run)


def test_maps_are_read(picture_folders, pictures):
    _, folder = picture_folders
    content = read_maps(folder)
    assert is_maps(folder)
    assert not is_run(folder)
    assert content.failures == ()
    assert content.classes == ("control", "lesion")
    assert [each.scan for each in content.records] == [scan.name for scan in pictures]
    assert [each.outcome for each in content.records[:4]] == ["correct"] * 3 + ["wrong"]
    record = content.records[3]
    assert record.confidence == pytest.approx(max(pictures[3].probabilities))
    assert software(content.records) == {"hrcam": "0.1.0", "torch": "2.8.0"}
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
    edit(next((tmp_path / "maps").glob("*000/*.json")), Sources=["/secret/place/t1.nii.gz"])
    edit(next((tmp_path / "maps").glob("*001/*.json")), Sources=[])
    gone, unknown = (read_view(record) for record in read_maps(tmp_path / "maps").records[:2])
    assert gone.image is None
    assert "t1.nii.gz" in gone.note
    assert "secret" not in gone.note
    assert (unknown.image, unknown.note[:23]) == (None, "The image is not known;")


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
    source = str(folder.with_name("maps-images") / "0.png")
    edit(next(folder.glob("*/*.json")), Sources=[source, source])
    assert "first of 2 channels" in read_view(read_maps(folder).records[0]).note


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Class": "other"}, "no probability of its own class"),
        ({"PredictedClass": "other"}, "no probability of its own class"),
        ({"Probabilities": [0.5, 0.5]}, "cannot be understood"),
        ({"Probabilities": {"control": "high"}}, "cannot be understood"),
        ({"LevelContributions": {"block1": float("nan")}}, "not finite"),
        ({"Shape": None}, "cannot be understood"),
        ({"Files": {"pattern": "a.npy"}}, "says nothing of 'evidence'"),
        ({"Files": {"pattern": "../a.npy", "evidence": "a.npy"}}, "not a file next to it"),
        ({"Files": {"pattern": "/etc/passwd", "evidence": "a.npy"}}, "not a file next to it"),
    ],
)
def test_a_damaged_record_is_a_failure(pictures, tmp_path, changes, message):
    folder = write_maps(tmp_path / "maps", pictures[:2])
    edit(next(folder.glob("sub-000/*.json")), **changes)
    content = read_maps(folder)
    assert [record.scan for record in content.records] == [pictures[1].name]
    (row,) = content.failures
    assert message in row["message"]


def test_a_folder_without_maps_is_refused(tmp_path):
    with pytest.raises(InputError, match="no maps that can be shown"):
        read_maps(tmp_path)


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
