import base64
import hashlib
import json
import logging
import re
import shutil
from dataclasses import replace
from html import unescape

import pytest
from report_folders import simulated, write_maps, write_run
from test_html import HOSTILE, Elements
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.errors import InputError
from hrcam.report.chapters.checklist import _CLAIM, _CONSORT_AI
from hrcam.report.chapters.model_card import AUTHORS
from hrcam.report.cohort_report import write_cohort_report
from hrcam.report.page.interpretation import INTERPRETATION
from hrcam.report.viewer.cards import signed_bars

REFUSED = {
    "scan": "sub-099", "file": "t1.nii.gz", "reason": "truncated",
    "message": "ends after 3 of 9 kB", "advice": "Copy it again.",
}  # fmt: skip


class Cohort(Elements):
    void = ("meta", "img", "input", "path", "circle")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)


def text_of(path):
    return re.sub(r"\s+", " ", Cohort(re.sub(r"<script.*?</script>", "", path.read_text())).text)


@pytest.fixture(scope="module")
def page(picture_folders, tmp_path_factory):
    run, maps = picture_folders
    return write_cohort_report(run, maps, tmp_path_factory.mktemp("page") / "report.html")


def test_cohort_metrics_and_scans_are_on_the_page(page):
    text = text_of(page)
    for expected in (
        "12 scans of 12 participants",
        "control 6 6",
        "tested by fold 1",
        "Balanced accuracy",
        "Head − network",
        "0.01 (−0.02 to 0.04)",
        "Site control lesion",
        "36 × 50 × 35 (median; from 31 × 40 × 24 to 43 × 59 × 47)",
        "No scan was refused",
        "All 12 scans",
        "true lesion predicted control by the network ✗ wrong",
        "if the images are aligned",
        "For research use only",
        "Random seed: 7",
    ):
        assert expected in text, expected
    assert all(point in text for point in INTERPRETATION.points)


def test_metrics_are_those_of_the_run(page, picture_folders):
    metrics = json.loads((picture_folders[0] / "metrics.json").read_text())
    auc = metrics["network"]["pooled"]["auc"]
    assert f"AUC {auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f})" in text_of(page)


def test_the_model_card_and_checklists_are_filled_in(page):
    text = text_of(page)
    for topic in (*_CLAIM, *_CONSORT_AI.values()):
        assert topic in text
    assert (len(_CLAIM), len(_CONSORT_AI)) == (44, 14)
    assert "epochs: 12" in text
    assert "Fitted to the network's own logits" in text
    assert "(R² of the network's outputs, cross-validated), by fold: 0.90, 0.91." in text
    assert text.count(AUTHORS) > 20
    assert "3 of 12 maps are of a wrong prediction" in text


def test_refusals_and_failures_are_listed(pictures, tmp_path):
    run = write_run(tmp_path / "run", pictures, refused=[REFUSED])
    gone = REFUSED | {"scan": "sub-098", "file": "/home/someone/t1.nii.gz, /home/t2.nii.gz"}
    maps = write_maps(tmp_path / "maps", pictures, failures=[gone], run=run)
    next(maps.glob("sub-005/anat/*.json")).write_text("{")
    broken = next(maps.glob("sub-003/anat/*pattern*"))
    broken.write_bytes(broken.read_bytes()[:200])
    text = text_of(write_cohort_report(run, maps, tmp_path / "report.html"))
    assert "sub-099 t1.nii.gz truncated ends after 3 of 9 kB Copy it again." in text
    assert "sub-098 t1.nii.gz, t2.nii.gz" in text
    assert "sub-005_label-lesion_statmap.json is not valid JSON" in text
    assert re.search(r"sub-004 unreadable-map sub-003_label-control_desc-pattern", text)
    assert "10 of 11 scans are shown" in text
    assert str(tmp_path) not in text
    assert "/home" not in text


def test_the_page_refers_to_nothing_outside_itself(page):
    html = page.read_text()
    assert not re.search(r"https?://|//\w+\.|url\(|@import|<link|\bsrc=|\bon\w+=", html)
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', html))


def test_the_policy_allows_our_script_alone(page):
    html = page.read_text()
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    rules = dict(rule.strip().split(" ", 1) for rule in unescape(policy).split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert rules["img-src"] == "data:"
    assert "connect-src" not in rules
    assert "<!--" not in script


def test_hostile_names_stay_text(pictures, tmp_path):
    classes = ("control", HOSTILE)
    long = "x" * 300

    def renamed(name, hostile_class):
        return [
            replace(
                scan,
                name=name if index == 0 else scan.name,  # sorted to the front
                participant="‮ציוד " + name,
                label=hostile_class if scan.label == "lesion" else "control",
            )
            for index, scan in enumerate(pictures)
        ]

    def rendered(folder, name, names):
        scans = renamed(name, names[1])
        refused = [REFUSED | {"message": name, "file": name}]
        run = write_run(tmp_path / folder / "run", scans, names, refused=refused)
        # A class is not fit for a file name here; the folder is the mapping's to name.
        maps = write_maps(
            tmp_path / folder / "maps",
            [replace(s, of_class="control") for s in scans],
            names,
            run=run,
        )
        return Cohort(write_cohort_report(run, maps, tmp_path / f"{folder}.html").read_text())

    plain = rendered("plain", "!" + long, ("control", "lesion"))
    hostile = rendered("hostile", HOSTILE + long, classes)
    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]
    assert hostile.text.count(HOSTILE) > 20


def test_a_report_of_maps_alone(picture_folders, tmp_path):
    text = text_of(write_cohort_report(None, picture_folders[1], tmp_path / "report.html"))
    assert "Its predictions are in the report of the training run" in text
    assert "control 6 6" in text
    assert "Model card" not in text
    assert "Checklists" not in text


def test_a_report_of_a_run_alone(picture_folders, tmp_path):
    html = write_cohort_report(picture_folders[0], None, tmp_path / "report.html").read_text()
    assert "Model card" in html
    assert 'class="viewer"' not in html


def test_as_many_scans_as_asked_for(picture_folders, tmp_path, caplog):
    caplog.set_level(logging.INFO, "hrcam")
    path = write_cohort_report(None, picture_folders[1], tmp_path / "report.html", subjects=5)
    cards = re.findall(r'data-name="sub-\d+"', path.read_text())
    assert len(cards) == 5
    text = text_of(path)
    assert "5 of 12 scans are shown" in text
    # The group is of all scans all the same.
    assert "Over 12 scans with a label" in text
    assert "sub-" not in caplog.text


def test_scans_without_labels_and_seen_in_training(pictures, tmp_path):
    scans = [replace(scan, label=None, seen=True, of_class="lesion") for scan in pictures[:3]]
    text = text_of(
        write_cohort_report(None, write_maps(tmp_path / "m", scans), tmp_path / "r.html")
    )
    assert "no label 3 3" in text
    assert "trained on this scan" in text
    assert "The map is of “lesion”, not of the predicted class." in text
    assert "No two of 0 scans with a label share a grid" in text


def test_volumes_say_where_they_lie(volume_maps, tmp_path):
    html = write_cohort_report(None, volume_maps, tmp_path / "report.html").read_text()
    grids = [json.loads(Cohort(f"<a {found}>x</a>").attributes[0][1])
             for found in re.findall(r'data-grid="[^"]*"', html)]  # fmt: skip
    assert all(grid["millimetres"] for grid in grids)
    assert all(grid["shape"] == [24, 24, 24] for grid in grids)
    assert {round(size, 3) for size in grids[0]["spacing"]} == {2.0}


def test_the_same_folders_give_the_same_page(page, picture_folders, tmp_path):
    again = write_cohort_report(*picture_folders, tmp_path / "report.html")
    assert again.read_bytes() == page.read_bytes()


def test_a_hundred_and_fifty_pictures_stay_below_25_megabytes(tmp_path):
    scans = simulated(2, subjects=6, size=256)
    path = write_cohort_report(None, write_maps(tmp_path / "m", scans), tmp_path / "r.html")
    # The maps of the group are there once.
    cards = re.findall(r'<article class="card".*?</article>', path.read_text(), re.DOTALL)[:6]
    assert sum(map(len, cards)) / 6 * 150 < 25e6


def warned(folder, *texts):
    """Let each fold of a run have warned of something."""
    manifest = json.loads((folder / "manifest.json").read_text())
    for details, warnings in zip(manifest["fold_details"], texts, strict=True):
        details["warnings"] = warnings
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_warnings_of_the_training_are_on_top_and_with_the_maps(pictures, tmp_path):
    run = warned(write_run(tmp_path / "run", pictures), ["R² is low", "no lesions"], ["R² is low"])
    scans = [
        replace(scan, changes={"Warnings": ["R² is low"] if i == 2 else []})
        for i, scan in enumerate(pictures)
    ]
    maps = write_maps(tmp_path / "maps", scans, run=run)
    text = text_of(write_cohort_report(run, maps, tmp_path / "both.html"))
    said = "about these networks and their maps: fold 1, 2: R² is low fold 1: no lesions"
    assert text.index(said) < text.index("Scans by class")
    (card,) = [part for part in text.split("true ") if "see the top" in part]
    assert card.startswith("control predicted")
    alone = text_of(write_cohort_report(None, maps, tmp_path / "maps.html"))
    assert "and their maps: R² is low" in alone
    assert "no lesions" not in alone


def test_without_warnings_there_is_no_note(page):
    assert "Warnings of the training" not in text_of(page)


def test_maps_of_another_run_are_refused(pictures, picture_folders, tmp_path):
    run, maps = picture_folders
    # The same run, trained again: other networks, the same settings.
    again = warned(write_run(tmp_path / "run", pictures), ["x"], [])
    for other in (maps, write_maps(tmp_path / "maps", pictures)):
        with pytest.raises(InputError, match=r"another run.*12 of 12.*map again with `hrcam map"):
            write_cohort_report(again, other, tmp_path / "report.html")
    mixed = shutil.copytree(maps, tmp_path / "mixed")
    shutil.copy(next((tmp_path / "maps").glob("sub-003/anat/*.json")), mixed / "sub-003/anat")
    with pytest.raises(InputError, match="1 of 12 do not fit"):
        write_cohort_report(run, mixed, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def test_the_positive_class_stands_with_every_sensitivity(page):
    text = text_of(page)
    assert "ROC: lesion (the positive class)" in text
    assert "accuracy, sensitivity and specificity (positive class: lesion), calib" in text
    for name in ("Sensitivity", "Specificity"):
        # Of all scans; of the folds of network and head; in the model card and both of CLAIM.
        assert text.count(f"{name} (lesion)") == 1 + 2 + 1 + 2


def test_the_mean_of_folds_stands_beside_the_value_of_all(
    page, picture_folders, pictures, tmp_path
):
    text = text_of(page)
    metrics = json.loads((picture_folders[0] / "metrics.json").read_text())["network"]
    mean = sum(fold["auc"]["value"] for fold in metrics["folds"]) / 2
    pooled = metrics["pooled"]["auc"]
    interval = f"{pooled['value']:.2f} ({pooled['low']:.2f} to {pooled['high']:.2f})"
    assert "Metric Network Network, mean of folds HR-CAM head" in text
    assert f"AUC {interval} {mean:.2f} " in text
    assert "The mean of folds compares each network with itself only" in text
    # With one fold there is no mean.
    run = write_run(tmp_path / "run", pictures, folds=1)
    assert "mean of folds" not in text_of(write_cohort_report(run, None, tmp_path / "r.html"))


def test_intervals_are_called_what_they_are(page):
    text = text_of(page)
    assert text.count("of an accuracy, sensitivity or specificity of 0 or 1 are Wilson's") == 2


def of_head(folder):
    """Let the head of a run have learnt the labels."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"head": "labels"}))
    return folder


def test_the_model_card_says_what_classes_are_compared_with(page):
    assert "control with lesion; lesion with control." in text_of(page)


def test_with_a_head_that_learnt_labels_its_predictions_are_judged(pictures, tmp_path):
    run = of_head(write_run(tmp_path / "run", pictures))
    scans = [replace(scan, changes={"Predictor": "HR-CAM head"}) for scan in pictures]
    maps = write_maps(tmp_path / "maps", scans, run=run)
    text = text_of(write_cohort_report(run, maps, tmp_path / "report.html"))
    assert "true lesion predicted control by the HR-CAM head ✗ wrong" in text
    assert "are those of the HR-CAM head, not of the network" in text
    assert "3 of 12 maps are of a wrong prediction (of the HR-CAM head)" in text
    # Not its fidelity: that is measured on images that the network was trained on.
    assert "Fidelity" not in text
    accuracy = json.loads((run / "metrics.json").read_text())["head"]["pooled"]["accuracy"]
    assert f"Accuracy of the head on test scans: {accuracy['value']:.2f} (" in text


def test_records_that_do_not_say_who_predicted_are_shown(pictures, tmp_path):
    maps = write_maps(tmp_path / "maps", pictures)
    for path in maps.glob("*/anat/*.json"):
        content = json.loads(path.read_text())
        path.write_text(json.dumps({k: v for k, v in content.items() if k != "Predictor"}))
    text = text_of(write_cohort_report(None, maps, tmp_path / "r.html"))
    assert "true lesion predicted control ✗ wrong" in text


def test_the_group_is_of_scans_that_no_network_was_trained_on(pictures, tmp_path):
    scans = [replace(scan, seen=i >= 7) for i, scan in enumerate(pictures)]
    maps = write_maps(tmp_path / "maps", scans)
    text = text_of(write_cohort_report(None, maps, tmp_path / "r.html", subjects=8))
    assert "Over 7 scans that no network was trained on with a label on one grid" in text
    assert "5 that networks were trained on are excluded." in text
    assert "Scans that no network was trained on come first." in text
    assert text.count("its prediction is no evidence of accuracy") == 1


def test_a_place_where_nothing_can_be_written_is_refused_in_one_line(picture_folders, tmp_path):
    (tmp_path / "file").write_text("")
    for out, message in [
        (tmp_path, f"{tmp_path} is a folder: give the name of a file"),
        (tmp_path / "file" / "report.html", "choose a folder with write permission"),
    ]:
        result = invoke(picture_folders[0], "--out", out)
        assert result.exit_code == 1
        assert message in result.output
        assert len(result.output.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_refuses_what_is_no_report(picture_folders, tmp_path):
    with pytest.raises(InputError, match="run, of maps, or both"):
        write_cohort_report(None, None, tmp_path / "report.html")
    with pytest.raises(InputError, match="at least 1"):
        write_cohort_report(*picture_folders, tmp_path / "report.html", subjects=0)
    maps = shutil.copytree(picture_folders[1], tmp_path / "maps")
    for path in maps.glob("*/anat/*_desc-*.*"):
        path.write_bytes(b"")
    with pytest.raises(InputError, match="none of the maps can be read"):
        write_cohort_report(None, maps, tmp_path / "report.html")
    assert not (tmp_path / "report.html").exists()


def invoke(*arguments):
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def test_the_command_takes_a_run_or_maps(picture_folders, tmp_path):
    run, maps = picture_folders
    out = tmp_path / "new" / "report.html"
    for arguments in ((run, "--maps", maps), (run,), (maps, "--subjects", 2)):
        result = invoke(*arguments, "--out", out)
        assert result.exit_code == 0, result.output
        assert str(out) in result.output
        assert out.exists()
        out.unlink()


def test_the_command_refuses_other_folders(picture_folders, tmp_path):
    for arguments in ((tmp_path,), (tmp_path / "none",), (picture_folders[1], "--maps", tmp_path)):
        result = invoke(*arguments, "--out", tmp_path / "report.html")
        assert result.exit_code == 1
        assert "is not a folder of `hrcam train`" in result.output


def test_the_bars_of_levels_have_as_many_digits_as_the_largest_needs():
    bars = signed_bars({"a": 3.0149, "b": -1.4e-6, "c": -1.5})
    assert [bar.value for bar in bars] == ["+3.01", "+0.00", "−1.50"]
    assert [bar.width for bar in bars] == pytest.approx([50, 0, 24.88], abs=0.01)
    assert bars[2].negative
    assert signed_bars({"a": 0.0})[0].value == "+0.00"
    assert [bar.value for bar in signed_bars({"a": 0.00012345})] == ["+0.000123"]


def test_a_class_of_one_scan_is_named_where_it_has_no_mean(pictures, tmp_path):
    controls = [scan for scan in pictures if scan.label == "control"]
    lesions = [scan for scan in pictures if scan.label == "lesion"]
    scans = [replace(scan, of_class="lesion") for scan in [controls[0], *lesions]]
    text = text_of(write_cohort_report(None, write_maps(tmp_path / "m", scans), tmp_path / "r"))
    assert "there is no mean map of control where only one scan has such a map" in text
    assert "Mean of 1 scan" not in text
