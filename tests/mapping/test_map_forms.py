"""Which maps are written, of which class, and how; and which scans are mapped."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from small_runs import SmallRun, files_of, map_of, preparation, write_pictures

from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.scan_prediction import ClassPrediction
from hrcam.errors import InputError
from hrcam.mapping import Form, map_scans, select_scans

EXACT = Form(data_type="float32")
pytestmark = pytest.mark.usefixtures("unchecked")


def records(folder):
    return {record.scan: record for record in read_maps(folder).records}


def maps_in(folder):
    return {name: content for name, content in files_of(folder).items() if "_desc-" in name}


def names(folder):
    return sorted(path.name.partition("desc-")[2] for path in folder.glob("sub-*/anat/*_desc-*"))


def test_only_the_maps_that_are_asked_for_are_written(tmp_path):
    run = SmallRun(preparation((24, 32)), bootstrap=2)
    scans = write_pictures(tmp_path / "images", 1)
    map_scans(run, scans, tmp_path / "maps", form=Form(("pattern",)))
    findings = ["findings_dseg.json", "findings_dseg.png", "findings_dseg.tsv"]
    assert names(tmp_path / "maps") == [*findings, "overlay_statmap.png", "pattern_statmap.png"]
    assert set(records(tmp_path / "maps")["sub-01"].maps) == {"pattern"}
    map_scans(run, scans, tmp_path / "all")
    assert names(tmp_path / "all") == [
        "evidence_statmap.png", *findings,
        "overlay_statmap.png", "pattern_statmap.png", "std_statmap.png",
    ]  # fmt: skip


def test_a_job_makes_again_what_lacks_maps_or_digits_and_leaves_nothing_old(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 2)

    def again(form):
        report = map_scans(picture_run, scans, tmp_path / "maps", form=form)
        return report.done, report.skipped

    assert again(Form(("pattern",))) == (2, 0)
    assert again(Form(("pattern",))) == (0, 2)
    assert again(Form()) == (2, 0)
    assert again(Form()) == (0, 2)  # without std, which the run has not
    assert again(EXACT) == (2, 0)
    for form in (EXACT, Form(), Form(("pattern", "std"))):  # floats have all digits
        assert again(form) == (0, 2)
    map_scans(picture_run, scans, tmp_path / "fresh", form=EXACT)
    assert files_of(tmp_path / "maps") == files_of(tmp_path / "fresh")


@pytest.mark.parametrize(
    ("kinds", "data_type", "message"),
    [
        (("evidence",), "int16", "always with pattern"),
        (("pattern", "colour"), "int16", "some of pattern, evidence, std"),
        (("",), "int16", "the maps are none|always with pattern"),
        (("pattern",), "float16", "the data type is 'float16': it is int16 or float32"),
    ],
)
def test_maps_that_do_not_exist_are_refused(kinds, data_type, message):
    with pytest.raises(InputError, match=message):
        Form(kinds, data_type)


def test_a_record_says_how_its_numbers_become_values(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 1)
    map_scans(picture_run, scans, tmp_path / "maps")
    map_scans(picture_run, scans, tmp_path / "exact", form=EXACT)
    (path,) = (tmp_path / "maps").glob("sub-*/anat/*_statmap.json")
    record = json.loads(path.read_text())
    exact = np.load(records(tmp_path / "exact")["sub-01"].files["pattern"])
    about = record["Maps"]["pattern"]
    assert (about["DataType"], record["Asked"]["DataType"]) == ("int16", "int16")
    assert about["Scaling"]["LargestError"] == pytest.approx(np.abs(exact).max() / 1000, rel=1e-5)
    off = np.abs(map_of(path.parent, record, "pattern") - exact).max()
    assert off <= about["Scaling"]["LargestError"] * 1.001
    sizes = [sum(map(len, maps_in(tmp_path / folder).values())) for folder in ("maps", "exact")]
    assert sizes[0] < sizes[1]


def test_of_two_classes_the_one_that_is_no_reference_is_mapped(tmp_path):
    run = SmallRun(preparation((24, 32)), reference="control", lean=-99)
    scans = write_pictures(tmp_path / "images", 3)
    report = map_scans(run, scans, tmp_path / "maps", form=EXACT)
    assert report.done == 3
    found = records(tmp_path / "maps")
    assert {record.prediction.text for record in found.values()} == {"control"}
    assert {record.map_class for record in found.values()} == {"patient"}
    assert {record.reference for record in found.values()} == {"control"}
    for record in found.values():
        probabilities = record.prediction.probabilities
        assert record.prediction.text == max(probabilities, key=probabilities.get)
    with (tmp_path / "maps" / "maps.tsv").open(newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            assert row["class"] == "patient"
            assert row["predicted"] == found[row["scan"]].prediction.text
    run.loaded.clear()
    again = map_scans(run, scans, tmp_path / "maps")
    assert (again.done, again.skipped, run.loaded) == (0, 3, [])
    map_scans(run, scans, tmp_path / "named", classes="patient", form=EXACT)
    maps = {
        name: content for name, content in files_of(tmp_path / "maps").items() if "desc" in name
    }
    assert maps == {
        name: content for name, content in files_of(tmp_path / "named").items() if "desc" in name
    }
    asked = map_scans(run, scans[:1], tmp_path / "reference", classes="control")
    assert asked.done == 1
    assert records(tmp_path / "reference")["sub-01"].map_class == "control"


def test_of_several_the_most_probable_other_class_is_mapped_where_it_is_predicted(tmp_path):
    run = SmallRun(preparation((24, 32)), classes=("a", "b", "c"), folds=2, reference="c", lean=1)
    scans = write_pictures(tmp_path / "images", 5)
    map_scans(run, scans, tmp_path / "maps", batch_size=3)
    predicted = set()
    for record in records(tmp_path / "maps").values():
        predicted.add(record.prediction.text)
        others = {name: p for name, p in record.prediction.probabilities.items() if name != "c"}
        assert record.map_class == max(others, key=others.get)
        assert record.class_index == "abc".index(record.map_class)
    assert "c" in predicted
    assert map_scans(run, scans, tmp_path / "maps").skipped == 5


def test_the_class_of_a_map_where_none_is_asked_for():
    probabilities = {"a": 0.2, "b": 0.5, "c": 0.3}
    prediction = ClassPrediction("b", probabilities)
    assert prediction.chosen(None) == "b"
    assert prediction.chosen("a") == "b"
    assert prediction.chosen("b") == "c"
    assert ClassPrediction("a", {"a": 1.0}).chosen("a") == "a"


def test_scans_are_chosen_by_split_and_by_name(tmp_path):
    scans = [
        replace(scan, split=("train", "test")[number % 2])
        for number, scan in enumerate(write_pictures(tmp_path, 4))
    ]
    assert select_scans(scans) == {"sub-01", "sub-02", "sub-03", "sub-04"}
    assert select_scans(scans, split="test") == {"sub-02", "sub-04"}
    assert select_scans(scans, subjects="sub-01, p4") == {"sub-01", "sub-04"}
    (tmp_path / "list.txt").write_text("p2\n\nsub-03\n")
    assert select_scans(scans, subjects=str(tmp_path / "list.txt")) == {"sub-02", "sub-03"}
    assert select_scans(scans, split="test", subjects="p1,p2") == {"sub-02"}
    for options, message in [
        ({"split": "validation"}, "the table has test, train"),
        ({"subjects": "p1,p9"}, "no scan or participant p9:"),
        ({"subjects": ","}, "names nobody"),
        ({"split": "test", "subjects": "p1"}, "none of the subjects is in the split"),
    ]:
        with pytest.raises(InputError, match=message):
            select_scans(scans, **options)
    with pytest.raises(InputError, match="no column split"):
        select_scans([replace(scan, split=None) for scan in scans], split="test")


def test_scans_that_are_not_chosen_keep_their_maps_and_failures(tmp_path, picture_run):
    scans = write_pictures(tmp_path / "images", 3)
    scans[2].images["image"].write_bytes(b"")
    map_scans(picture_run, scans, tmp_path / "maps")
    before = files_of(tmp_path / "maps")
    scans[0].images["image"].touch()
    report = map_scans(picture_run, scans, tmp_path / "maps", only={"sub-02"})
    assert (report.done, report.skipped, report.failed) == (0, 1, ())
    assert files_of(tmp_path / "maps") == before
