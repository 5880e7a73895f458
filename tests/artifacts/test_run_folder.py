"""The folder of a run: what was written is read, and what is damaged is refused."""

import json

import pytest
from written_folders import CLASSES, CONFIG, CONTROL_ROW, REFUSED, SCANS, prediction, splits

from hrcam.artifacts.formats import read_object
from hrcam.artifacts.maps_folder import is_maps
from hrcam.artifacts.run_folder import begin_run, fold_folder, is_done, is_run, read_run
from hrcam.artifacts.run_tables import encode_history
from hrcam.errors import InputError, NewerFormatError

JSON_FILES = (
    *("config.json", "preparation.json", "fingerprint.json", "metrics.json", "manifest.json"),
)


def test_what_was_written_is_read(run):
    content = read_run(run)
    assert content.classes == CLASSES
    assert content.positive == "lesion"
    assert sorted(each.scan for each in content.predictions) == list(SCANS)
    for each in content.predictions:
        written = prediction(SCANS.index(each.scan))
        assert each.network == pytest.approx(written.network)
        assert each.head == pytest.approx(written.head)
        assert (each.label, each.predicted) == (written.label, written.predicted)
        (fold,) = next(row.tested_by for row in splits() if row.scan == each.scan)
        assert (each.fold, each.repeat) == (fold, 1)
    assert content.tested == content.predictions
    assert content.repeats == 1
    assert content.splits == tuple(splits())
    assert content.refused == (REFUSED,)
    assert content.controls == (CONTROL_ROW, CONTROL_ROW)
    assert sorted(row.scan for row in content.distances) == list(SCANS)
    for row in content.distances:
        index = SCANS.index(row.scan)
        assert (row.group, (row.fold,)) == (f"p{index}", splits()[index].tested_by)
        assert row.distance == 1.5 + index
    assert content.config == CONFIG
    assert content.preparation == {"shape": [8, 9]}
    assert content.fingerprint == {"scans": 8}
    assert content.pooled("network") == {"auc": 0.9}
    assert content.manifest["folds"] == 2
    assert is_run(run)
    assert not is_maps(run)
    assert is_done(fold_folder(run, 2))
    assert not is_done(fold_folder(run, 3))


def test_probabilities_come_in_the_order_that_is_asked_for(run):
    metrics = read_object(run / "metrics.json") | {"classes": ["lesion", "control"]}
    (run / "metrics.json").write_text(json.dumps(metrics))
    turned = {each.scan: each.network for each in read_run(run).predictions}
    assert turned["sub-01"] == pytest.approx(prediction(0).network[::-1])
    back = read_run(run).predictions[0].reordered([1, 0])
    assert back.network == read_run(run).predictions[0].network[::-1]


def test_tables_have_one_line_for_each_scan_and_six_digits(run):
    lines = (run / "predictions.tsv").read_text().splitlines()
    assert lines[0].split("\t") == [
        *("scan", "participant", "group", "label", "fold", "repeat", "predicted"),
        *("probability_control", "probability_lesion", "head_predicted"),
        *("head_probability_control", "head_probability_lesion"),
    ]
    of_folds = [
        line.split("\t")
        for fold in (1, 2)
        for line in (run / f"fold-{fold}/predictions.tsv").read_text().splitlines()[1:]
    ]
    assert [line.split("\t")[:4] + line.split("\t")[6:] for line in lines[1:]] == of_folds
    assert (run / "splits.tsv").read_text().splitlines()[1] == (
        "sub-01\tp0\tp0\tcontrol\tn/a\t1\t2\t0"
    )
    assert encode_history([{"epoch": 1, "loss": 0.5}]) == (
        b"epoch\tloss\tvalidation_loss\n1\t0.5\tn/a\n"
    )


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
    with pytest.raises(InputError, match="is no run"):
        read_run(run.parent)


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("metrics.json", "{", "", "not valid JSON"),
        ("metrics.json", '"classes"', '"x"', "no classes"),
        ("predictions.tsv", "probability_lesion", "x", "no column probability_lesion"),
        ("predictions.tsv", "\tcontrol\t2", "\tother\t2", "'other', which is none of"),
        ("predictions.tsv", "\tcontrol\t1\t", "\tcontrol\t1\tx\t", "row 1 has not as many"),
        ("predictions.tsv", "\tcontrol\t0.", "\tcontrol\t-0.", "is '-0"),
        ("predictions.tsv", "\tcontrol\t0.", "\tcontrol\tnan", "is 'nan"),
        ("splits.tsv", "\tn/a\t1\t", "\tn/a\tone\t", "a fold that is no number"),
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


@pytest.mark.parametrize("name", JSON_FILES)
def test_every_json_file_has_a_version_and_a_newer_one_is_refused(run, name):
    content = read_object(run / name)
    assert content["format"] == 1
    (run / name).write_text(json.dumps(content | {"format": 2}))
    with pytest.raises(
        NewerFormatError,
        match=rf"{name} has the format 2, and this version of hrcam reads formats up to 1: update",
    ):
        read_run(run)
    (run / name).write_text(json.dumps(content | {"format": "new"}))
    with pytest.raises(InputError, match="the format 'new', which does not exist"):
        read_run(run)


def test_a_run_without_a_version_is_read_as_the_first_format(run):
    expected = read_run(run)
    for name in JSON_FILES:
        content = read_object(run / name)
        del content["format"]
        (run / name).write_text(json.dumps(content))
    assert read_run(run) == expected
    begin_run(run, CONFIG, splits())  # and goes on


def test_a_run_goes_on_with_the_same_options_and_scans_only(run):
    begin_run(run, CONFIG, splits())
    with pytest.raises(InputError, match=r"begun with other options \(seed was 7, is 8\): choose"):
        begin_run(run, CONFIG | {"seed": 8}, splits())
    with pytest.raises(InputError, match="begun with other scans or labels"):
        begin_run(run, CONFIG, splits()[1:])


def test_a_run_that_was_killed_just_after_it_was_claimed_goes_on(tmp_path):
    begin_run(tmp_path / "run", CONFIG, splits())
    (tmp_path / "run/splits.tsv").unlink()
    begin_run(tmp_path / "run", CONFIG, splits())
    assert (tmp_path / "run/splits.tsv").exists()
