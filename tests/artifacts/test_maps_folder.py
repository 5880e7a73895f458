"""The folder of maps: what was written is read; what is damaged or newer is told of."""

import json
import os

import pytest
from small_runs import files_of
from written_folders import CLASSES, REFUSED, SCANS, record, source, write_scan

from hrcam.artifacts.formats import read_object
from hrcam.artifacts.maps_folder import MapsWriter, is_maps, read_maps, software
from hrcam.artifacts.run_folder import is_run
from hrcam.artifacts.scan_record import encode_record, read_record
from hrcam.errors import InputError, NewerFormatError, OlderFormatError


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def writer(maps):
    return MapsWriter(maps, read_object(maps / "dataset_description.json")["Run"])


def clear(maps, now):
    found = MapsWriter(maps, now.run)
    found.clear(found.place(now.scan), now)


def test_what_was_written_is_read(maps, run):
    content = read_maps(maps)
    assert is_maps(maps)
    assert not is_run(maps)
    assert content.failures == (REFUSED,)
    assert content.classes == CLASSES
    assert content.predictors == ("network",)
    assert [each.scan for each in content.records] == list(SCANS)
    assert [each.outcome for each in content.records[:4]] == ["correct"] * 3 + ["wrong"]
    place = writer(maps).place("sub-04")
    assert content.records[3] == record(place, source(run, 3), 3)
    assert content.records[3].prediction.confidence == pytest.approx(0.6)
    assert software(content.records) == {"hrcam": "0.1.0", "torch": "2.8.0"}


def test_tables_list_every_scan_and_failure(maps):
    header, first, *_ = (maps / "maps.tsv").read_text().splitlines()
    assert header.split("\t") == [
        *("scan", "participant", "label", "class", "predicted"),
        *("probability_control", "probability_lesion", "regions", "control_share"),
        *("dice", "iou", "lesions", "detected", "false_positives"),
        *("unlike_training", "distance", "distance_limit", "seen_share"),
        *("primary", "seen_in_training", "json"),
    ]
    assert first == (
        "sub-01\tp0\tcontrol\tcontrol\tcontrol\t0.8\t0.2\t2\t0.05\t0.75\t0.6\t1\t1\t0\t"
        "False\t1.25\t1.5\t0.8889\tTrue\tFalse\t"
        "sub-01/anat/sub-01_label-control_statmap.json"
    )
    assert (maps / "failures.tsv").read_text() == (
        "scan\tfile\treason\tmessage\tadvice\n"
        "sub-09\ta b.png\tempty\tit has 0 bytes\tcopy it again\n"
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"Class": "other"}, "no probability of its own class"),
        ({"PredictedClass": "other"}, "no probability of its own class"),
        ({"Probabilities": [0.5, 0.5]}, "cannot be understood"),
        ({"Probabilities": {"control": "high"}}, "cannot be understood"),
        ({"LevelContributions": {"block1": float("nan")}}, "not finite"),
        ({"Input": {"Share": 0.5}}, "says nothing of 'VoxelSize'"),
        ({"Shape": None}, "cannot be understood"),
        ({"Grid": None}, "cannot be understood"),
        ({"Files": {"evidence": "a.npy"}}, "says nothing of 'pattern'"),
        ({"Files": {"pattern": "../a.npy", "evidence": "a.npy"}}, "not a file next to it"),
        ({"Files": {"pattern": "/etc/passwd", "evidence": "a.npy"}}, "not a file next to it"),
        ({"Files": {"pattern": "a", "evidence": "b", "std": "../c"}}, "not a file next to it"),
    ],
)
def test_a_damaged_record_is_a_failure_and_makes_its_maps_out_of_date(maps, run, changes, message):
    path = next(maps.glob("sub-01/anat/*.json"))
    edit(path, **changes)
    content = read_maps(maps)
    assert [each.scan for each in content.records] == list(SCANS[1:])
    _, row = content.failures
    assert message in row.message
    place = writer(maps).place("sub-01")
    assert not writer(maps).is_done(place, source(run, 0), None)
    writer(maps).clear(place, source(run, 0))
    assert list(place.folder.iterdir()) == []


def test_a_folder_without_maps_is_refused(tmp_path):
    with pytest.raises(InputError, match="no maps that can be shown"):
        read_maps(tmp_path)


@pytest.mark.parametrize(
    ("name", "newest"),
    [("dataset_description.json", 2), ("sub-01/anat/sub-01_label-control_statmap.json", 3)],
)
def test_every_json_file_has_a_version_and_a_newer_one_is_refused(maps, run, name, newest):
    assert read_object(maps / name)["Format"] == newest
    content = (maps / name).read_bytes()
    edit(maps / name, Format=newest + 1)
    message = (
        f"has the format {newest + 1}, and this version of hrcam reads formats up to {newest}: "
        "update hrcam"
    )
    with pytest.raises(NewerFormatError, match=message):
        read_maps(maps)
    with pytest.raises(NewerFormatError, match=message):  # and is not mapped anew
        clear(maps, source(run, 0))
    (maps / name).write_bytes(content)
    assert len(read_maps(maps).records) == len(SCANS)


@pytest.mark.parametrize("changes", [{"Format": 1}, {}])
def test_maps_of_an_older_format_are_refused_and_kept(maps, run, changes):
    path = maps / "dataset_description.json"
    content = {key: value for key, value in read_object(path).items() if key != "Format"}
    path.write_text(json.dumps(content | changes))
    before = files_of(maps)
    for use in (read_maps, lambda folder: MapsWriter(folder, content["Run"])):
        with pytest.raises(OlderFormatError, match=r"format 1, .* make it again in a new folder"):
            use(maps)
    assert files_of(maps) == before


def test_maps_are_up_to_date_until_an_image_changes(maps, run, tmp_path):
    image = tmp_path / "image.png"
    image.write_bytes(b"pixels")
    before = source(run, 0, image)
    written = write_scan(writer(maps), before, 0)
    assert before.source_bytes == 6
    path = writer(maps).place("sub-01").record("control")
    assert read_record(path) == written
    assert writer(maps).record(writer(maps).place("sub-01"), source(run, 0, image), None) == written
    image.write_bytes(b"others")
    os.utime(image, (1, 1))
    assert not writer(maps).is_done(writer(maps).place("sub-01"), source(run, 0, image), None)
    assert read_record(path).is_current(before)
    written.files["pattern"].unlink()
    assert not read_record(path).is_current(before)


def test_a_failure_goes_when_its_scan_is_mapped_or_no_longer_in_the_input(maps, run):
    found = writer(maps)
    found.write_failure(REFUSED)
    made_from = source(run, 0)
    write_scan(found, type(made_from)(**(vars(made_from) | {"scan": REFUSED.scan})), 0, "sub-09")
    found.write_tables(CLASSES)
    assert read_maps(maps).failures == ()
    found.write_failure(REFUSED)
    found.write_refused_rows([], SCANS)
    found.write_tables(CLASSES)
    assert read_maps(maps).failures == ()


def test_maps_of_another_run_or_another_folder_are_refused(maps, tmp_path):
    with pytest.raises(InputError, match="holds maps of another run"):
        MapsWriter(maps, {"Manifest": "other", "Seed": 7})
    (maps / "dataset_description.json").write_text("{")
    with pytest.raises(InputError, match="or something else: choose another folder"):
        MapsWriter(maps, {"Manifest": "other", "Seed": 7})
    (tmp_path / "elsewhere").mkdir()
    (maps / "sub-77").symlink_to(tmp_path / "elsewhere")
    (maps / "dataset_description.json").unlink()
    with pytest.raises(InputError, match="not empty"):
        MapsWriter(maps, {})
    found = MapsWriter(tmp_path / "new", {})
    (tmp_path / "new/sub-77").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="leads out of"):
        found.place("sub-77")


def test_a_record_holds_what_it_was_given(tmp_path, run):
    place = MapsWriter(tmp_path / "x", {}).place("sub-01")
    written = record(
        place, source(run, 0), 0, grid=(4, 5, 6), grid_spacing=(1.0, 1.5, 2.0), label=None,
        folds=(1, 3), warnings=(), seen_in_training=True,
    )  # fmt: skip
    place.folder.mkdir(parents=True)
    place.record("control").write_bytes(encode_record(written))
    assert read_record(place.record("control")) == written
    assert written.outcome == "unlabelled"
