"""The chapter on findings: who has one, and how they fit the masks."""

from dataclasses import replace

import pytest
from report_folders import write_maps

from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.scan_findings import MaskScores, ScanFindings
from hrcam.report.chapters.findings import findings_chapter


def about(regions, share, scores=None, **changes):
    found = ScanFindings(regions, "pixels", 4.0, 1.0, share, 19, scores=scores)
    return {"Findings": found.to_json() | changes}


@pytest.fixture
def maps(pictures, tmp_path):
    """Twelve scans, of which all lesions and one control have a finding; one was learnt from."""
    scans = [replace(scan) for scan in pictures if scan.label is not None][:12]
    for index, scan in enumerate(scans):
        lesion = scan.label == "lesion"
        scores = MaskScores(0.5 + index / 100, 0.4, 1, 1, 1) if lesion else None
        scan.changes = about(1, 0.05, scores) if lesion or index == 0 else about(0, 0.5)
    scans[-1].seen = True
    return read_maps(write_maps(tmp_path / "maps", scans)), scans


def test_it_counts_scans_with_a_finding_by_class(maps):
    folder, scans = maps
    (chapter,) = findings_chapter(folder)
    controls = sum(scan.label == "control" for scan in scans[:-1])
    lesions = len(scans) - 1 - controls
    rows = chapter.sections[0].table.rows
    assert [row[:3] for row in rows] == [
        ("control", str(controls), "1"),
        ("lesion", str(lesions), str(lesions)),
    ]
    assert rows[1][3].startswith("1.00 (")
    assert "compared with 19 control images of other subjects" in chapter.introduction[1]
    assert "at most 10 % are expected" in chapter.introduction[1]


def test_scores_have_intervals_over_participants(maps):
    folder, scans = maps
    (chapter,) = findings_chapter(folder)
    dice = [scan.changes["Findings"]["MaskScores"]["Dice"] for scan in scans[:-1]
            if scan.label == "lesion"]  # fmt: skip
    rows = {name: (value, over) for name, value, over in chapter.sections[1].table.rows}
    assert rows["Dice"][0].startswith(f"{sum(dice) / len(dice):.2f} (")
    assert rows["Dice"][1] == f"{len(dice)} images"
    assert rows["Lesions found (sensitivity)"] == ("1.00", f"{len(dice)} lesions")


def test_without_controls_it_says_why_and_without_findings_there_is_no_chapter(pictures, tmp_path):
    scans = [replace(scan) for scan in pictures[:2]]
    reason = "the run has no reference class"
    for scan in scans:
        scan.changes = about(1, None, ControlShare=None, Controls=0, Comparison=reason)
    (chapter,) = findings_chapter(read_maps(write_maps(tmp_path / "maps", scans)))
    assert chapter.introduction[1].startswith(f"Not compared with control images: {reason}.")
    assert len(chapter.sections) == 1
    for scan in scans:
        scan.changes = {}
    assert findings_chapter(read_maps(write_maps(tmp_path / "none", scans))) == []
