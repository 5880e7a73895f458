import json
from dataclasses import replace

import numpy as np
import pytest
from report_folders import write_maps
from scipy.stats import ttest_ind

from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.scan_findings import ScanFindings
from hrcam.report.chapters.maps import map_chapters
from hrcam.report.viewer.cards import group_cards
from hrcam.report.viewer.group_maps import GroupMaps
from hrcam.report.viewer.scan_view import read_view


def gathered(folder, classes=("control", "lesion")):
    records = read_maps(folder).records
    group = GroupMaps(records, classes)
    for record in records:
        if group.wants(record):
            group.add(record, read_view(record))
    return group


def stack(scans, kind, keep, sign=lambda scan: 1):
    return np.array([sign(scan) * scan.maps[kind].T[..., None] for scan in scans if keep(scan)])


def test_maps_of_one_class_are_compared_over_all_scans(pictures, tmp_path):
    scans = [replace(scan, of_class="lesion") for scan in pictures]
    group = gathered(write_maps(tmp_path / "maps", scans))
    assert (group.labelled, group.used, group.seen) == (12, 12, 0)
    found = {(mean.kind, mean.label): mean for mean in group.means()}
    assert list(found) == [
        *(("pattern", "control"), ("pattern", "lesion")),
        *(("evidence", "control"), ("evidence", "lesion")),
    ]
    assert {mean.of_class for mean in found.values()} == {"lesion"}
    for (kind, label), mean in found.items():
        maps = stack(scans, kind, lambda scan, label=label: scan.label == label)
        assert mean.scans == len(maps) == 6
        np.testing.assert_allclose(mean.mean, maps.mean(0), rtol=1e-5, atol=1e-5)
    pattern, evidence = group.differences()
    assert (pattern.kind, evidence.kind) == ("pattern", "evidence")
    assert pattern.scans == (6, 6)
    assert pattern.others == ("control",)
    inside, outside = (
        stack(scans, "pattern", lambda scan, label=label: scan.label == label)
        for label in ("lesion", "control")
    )
    np.testing.assert_allclose(pattern.mean, inside.mean(0) - outside.mean(0), atol=1e-5)
    welch = ttest_ind(inside, outside, equal_var=False).statistic
    np.testing.assert_allclose(pattern.t, welch, rtol=1e-3, atol=1e-4)


def test_of_predicted_classes_only_evidence_is_turned(pictures, picture_folders):
    group = gathered(picture_folders[1])
    (difference,) = group.differences()
    assert difference.kind == "evidence"
    assert difference.of_class == "lesion"

    def sign(scan):
        return 1 if scan.predicted(("control", "lesion")) == "lesion" else -1

    found = {(mean.kind, mean.label): mean for mean in group.means()}
    lesions = stack(pictures, "evidence", lambda scan: scan.label == "lesion", sign)
    np.testing.assert_allclose(found["evidence", "lesion"].mean, lesions.mean(0), atol=1e-4)
    # A mean pattern is of the scans that were predicted as what they are.
    right = stack(pictures, "pattern", lambda scan: scan.label == "lesion" and sign(scan) == 1)
    assert found["pattern", "lesion"].scans == len(right) < 6
    np.testing.assert_allclose(found["pattern", "lesion"].mean, right.mean(0), atol=1e-5)


def test_a_scan_with_maps_of_both_classes_counts_once(pictures, tmp_path):
    folder = write_maps(
        tmp_path / "maps",
        [replace(scan, of_class=name) for scan in pictures for name in ("control", "lesion")],
    )
    group = gathered(folder)
    assert group.used == 12
    assert [mean.scans for mean in group.means() if mean.kind == "evidence"] == [6, 6]
    of = [(each.kind, each.of_class) for each in group.differences()]
    assert of == [("pattern", "control"), ("pattern", "lesion"), ("evidence", "lesion")]


def test_with_three_classes_one_is_compared_with_the_rest(pictures, tmp_path):
    labels = ("a", "b", "c")
    scans = [
        replace(scan, label=labels[i % 3], of_class="b", probabilities=(0.2, 0.5, 0.3))
        for i, scan in enumerate(pictures)
    ]
    group = gathered(write_maps(tmp_path / "maps", scans, classes=labels), labels)
    pattern = group.differences()[0]
    assert (pattern.scans, pattern.others) == ((4, 8), ("a", "c"))
    inside = stack(scans, "pattern", lambda scan: scan.label == "b")
    outside = stack(scans, "pattern", lambda scan: scan.label != "b")
    welch = ttest_ind(inside, outside, equal_var=False).statistic
    np.testing.assert_allclose(pattern.t, welch, rtol=1e-3, atol=1e-4)


def test_only_scans_with_a_label_and_the_commonest_grid_count(pictures, tmp_path):
    small = [
        replace(
            scan,
            image=scan.image[1:],
            maps={kind: values[1:] for kind, values in scan.maps.items()},
            seen=True,
        )
        for scan in pictures[:3]
    ]
    rest = [replace(pictures[3], label=None), *pictures[4:]]
    group = gathered(write_maps(tmp_path / "maps", [*small, *rest]))
    assert (group.labelled, group.used, group.seen) == (11, 8, 0)
    assert {mean.image.shape for mean in group.means()} == {(48, 48, 1)}


def test_few_scans_have_no_difference(pictures, tmp_path):
    group = gathered(write_maps(tmp_path / "maps", pictures[:4]))
    assert group.differences() == ()
    assert [mean.scans for mean in group.means() if mean.kind == "evidence"] == [2, 2]


def test_a_place_that_does_not_vary_has_no_score(pictures, tmp_path):
    flat = {"pattern": np.ones((48, 48)), "evidence": np.ones((48, 48))}
    scans = [replace(scan, of_class="lesion", maps=flat) for scan in pictures]
    group = gathered(write_maps(tmp_path / "maps", scans))
    assert all(not each.t.any() for each in group.differences())
    assert group.tops("pattern", 99) == pytest.approx((1, 1, 0))


def test_scans_that_were_trained_on_are_left_out_where_others_are_enough(pictures, tmp_path):
    scans = [replace(scan, of_class="lesion", seen=i >= 7) for i, scan in enumerate(pictures)]
    # Seven new scans: four controls and three lesions.
    group = gathered(write_maps(tmp_path / "maps", scans))
    assert (group.labelled, group.used, group.seen, group.left_out) == (12, 7, 0, 5)
    found = {mean.label: mean for mean in group.means() if mean.kind == "pattern"}
    assert {label: mean.scans for label, mean in found.items()} == {"control": 4, "lesion": 3}
    lesions = stack(scans, "pattern", lambda scan: scan.label == "lesion" and not scan.seen)
    np.testing.assert_allclose(found["lesion"].mean, lesions.mean(0), atol=1e-5)
    # One lesion fewer is not enough: all count, and the page says how many were seen.
    scans[5] = replace(scans[5], seen=True)
    group = gathered(write_maps(tmp_path / "again", scans))
    assert (group.used, group.seen, group.left_out) == (12, 6, 0)


def test_a_group_lies_over_the_mean_image_of_its_own_scans(pictures, tmp_path):
    scans = [replace(scan, of_class="lesion") for scan in pictures]
    folder = write_maps(tmp_path / "maps", scans)
    group = gathered(folder)
    images = {}
    for record in read_maps(folder).records:
        images.setdefault(record.label, []).append(read_view(record).reduced().image.astype(float))
    assert (np.mean(images["control"], 0) != np.mean(images["lesion"], 0)).any()
    for mean in group.means():
        np.testing.assert_allclose(mean.image, np.mean(images[mean.label], 0), atol=0.51)
    for each in group.differences():
        both = np.mean(images["control"] + images["lesion"], 0)
        np.testing.assert_allclose(each.image, both, atol=0.51)


def test_one_scan_is_no_group(pictures, tmp_path):
    labels = ("a", "b", "c")
    kept = [scan for scan in pictures if scan.label == "control"][:1]
    kept += [scan for scan in pictures if scan.label == "lesion"]
    scans = [
        replace(scan, label=label, of_class="b", probabilities=(0.2, 0.5, 0.3))
        for scan, label in zip(kept, ("c", "a", "a", "a", "b", "b", "b"), strict=True)
    ]
    group = gathered(write_maps(tmp_path / "maps", scans, classes=labels), labels)
    assert [mean.label for mean in group.means()] == ["a", "b"] * 2
    assert group.single == ("c",)
    # The difference still counts it among the others.
    assert [(each.scans, each.others) for each in group.differences()] == [((3, 4), ("a", "c"))] * 2


def test_a_score_has_a_scale_of_its_own_that_is_stated(pictures, tmp_path):
    scans = [replace(scan, of_class="lesion") for scan in pictures]
    group = gathered(write_maps(tmp_path / "maps", scans))
    scores = [card for card in group_cards(group) if card.title.startswith("t-like")]
    assert len(scores) == 2
    for card, each in zip(scores, group.differences(), strict=True):
        limit = json.loads(card.grid)["maps"]["lesion"][each.kind]["limit"]
        assert limit == pytest.approx(np.percentile(np.abs(each.t), 99.9), rel=1e-4)
        assert card.subtitle == f"lesion (6) − control (6); colours end at t = ±{limit:.3g}"


def test_maps_that_only_some_scans_have_are_not_shown(pictures, tmp_path):
    alone = {"pattern": pictures[0].maps["pattern"]}
    folder = write_maps(tmp_path / "maps", [replace(pictures[0], maps=alone), *pictures[1:4]])
    _, (scans, group) = map_chapters(read_maps(folder), ("lesion", "healthy"), None, False)
    assert list(scans.viewer.limits) == list(group.viewer.limits) == ["pattern"]
    assert len(scans.viewer.cards) == 4


def test_a_page_has_as_many_scans_as_there_is_room_for(pictures, tmp_path, monkeypatch):
    mapped = read_maps(write_maps(tmp_path / "maps", pictures))
    monkeypatch.setattr("hrcam.report.chapters.maps.VOXELS", 5 * 48 * 48 + 1)
    _, (scans, _) = map_chapters(mapped, ("control", "lesion"), None, False)
    assert (len(scans.viewer.cards), scans.viewer.total) == (5, 12)
    assert scans.introduction[0].startswith("5 of 12 scans are shown")
    # What is asked for is shown, however large.
    _, (scans, _) = map_chapters(mapped, ("control", "lesion"), 9, False)
    assert len(scans.viewer.cards) == 9


def test_maps_for_several_classes_are_one_card_with_the_predicted_disease_first(pictures, tmp_path):
    scans = [
        replace(pictures[0], of_class=name, changes={"ReferenceClass": "control"})
        for name in ("control", "lesion")
    ]
    mapped = read_maps(write_maps(tmp_path / "maps", scans))
    _, (chapter, _) = map_chapters(mapped, ("control", "lesion"), None, False)
    (card,) = chapter.viewer.cards
    assert pictures[0].predicted(("control", "lesion")) == "control"
    assert card.map_class == "lesion"
    assert list(card.levels) == ["lesion", "control"]
    assert set(card.layers) == {
        "image", "pattern:lesion", "evidence:lesion", "pattern:control", "evidence:control"
    }  # fmt: skip
    assert chapter.viewer.map_classes == ("lesion", "control")


def test_a_card_says_what_was_found(pictures, tmp_path):
    found = ScanFindings(2, "pixels", 9.0, 1.5, None, 0, "the run has none")
    scan = replace(pictures[1], found=np.eye(48), changes={"Findings": found.to_json()})
    mapped = read_maps(write_maps(tmp_path / "maps", [scan]))
    _, (chapter, _) = map_chapters(mapped, ("control", "lesion"), None, False)
    (card,) = chapter.viewer.cards
    assert card.notes == (
        "Findings in the map for “lesion”: 2 regions; not compared with control images: the run "
        "has none.",
    )
    assert chapter.viewer.outlines == ("findings",)
    # The crosshair starts where the map is strongest within them.
    column, row, _ = json.loads(card.grid)["start"]
    assert column == row == np.abs(np.diag(scan.maps["pattern"])).argmax()
