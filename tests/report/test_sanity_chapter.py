"""What a page says of the checks of its maps."""

import json
import shutil

import numpy as np
import pytest
from report_folders import write_maps
from sanity_folders import COLUMNS, map_checks, write_sanity
from test_cohort_report import text_of
from test_html import HOSTILE, Elements

from hrcam.artifacts.sanity_record import Examples, Sanity
from hrcam.report.chapters.sanity import sanity_section
from hrcam.report.chapters.sanity_text import failed_checks, verdict
from hrcam.report.cohort_report import write_cohort_report
from hrcam.report.figures.cascade import cascade_figure
from hrcam.report.page.content import Page
from hrcam.report.page.html import render_page

UNKNOWN = "Nothing was checked, so this page cannot say whether the maps mean anything."
WHY = {"randomisation": "too few scans"}


@pytest.fixture
def maps(picture_folders, tmp_path):
    return shutil.copytree(picture_folders[1], tmp_path / "maps")


def page_of(maps, run=None):
    return write_cohort_report(run, maps, maps.with_suffix(".html"))


@pytest.mark.parametrize(
    ("checks", "said"),
    [
        (map_checks(), "5 of 5 checks passed. The maps depend on what the network has learnt, and"),
        (map_checks(), "are stable. Without masks it is unknown whether they mark the pathology"),
        (map_checks(bounds=0.2), "The maps show what the network has learnt, and are stable. The"),
        (map_checks(bounds=-0.1), "4 of 5 checks passed. Do not interpret these maps: a blob at "
         "the centre marks the masks as well or better."),
        (map_checks(bounds=0.0), "a blob at the centre marks the masks as well or better."),
        (map_checks({"bounds": "too few"}), "It is unknown whether the maps show"),
        (map_checks(bounds=0.2, shift=0.1), "The maps show what the network has learnt, but the"),
        (map_checks(randomisation=0.9), "4 of 5 checks passed. Do not interpret these maps: an "
         "untrained network gives nearly the same."),
        (map_checks(likeness=0.9), "Do not interpret these maps: they resemble the edges of the "
         "image."),
        (map_checks(likeness=0.9, shift=0.1), "3 of 5 checks passed. Do not interpret"),
        (map_checks(repeatability=0.1), "their position is not reliable"),
        (map_checks(shift=0.1), "the position of small regions is not reliable"),
        (map_checks(WHY), "4 of 4 checks passed, 1 could not be run. It is unknown"),
        (map_checks(WHY, shift=0.1), "3 of 4 checks passed, 1 could not be run. It is unknown"),
        (map_checks({"repeatability": "one network"}), "depend on what the network has learnt. W"),
    ],
)  # fmt: skip
def test_one_sentence_on_all(checks, said):
    assert said in verdict(checks)


@pytest.mark.parametrize(
    "checks",
    [
        map_checks(), map_checks(bounds=-0.1), map_checks(bounds=0.0), map_checks(likeness=0.8),
        map_checks(bounds=-0.1, shift=0.1), map_checks(bounds=0.0, randomisation=0.8),
    ],
)  # fmt: skip
def test_maps_that_a_bound_beats_or_may_beat_are_not_said_to_show_what_was_learnt(checks, maps):
    write_sanity(maps, checks)
    assert "maps show what the network has learnt" not in text_of(page_of(maps))


def test_the_scores_of_the_map_and_of_the_best_bound_are_beside_each_other(maps):
    text = text_of(page_of(write_sanity(maps, map_checks(bounds=-0.1))))
    top = text[: text.index("Scans by class")]
    assert "The maps mark the masks no better than a blob at the centre (AUPRC 0.500 against" in top
    assert "Do they mark the masks better than maps that need no network? ✗ no" in text
    assert "Of these, a blob at the centre marks them as well or better." in text
    assert "The masks of 2 scans were used for scores alone." in text
    assert "(AUPRC minus the best of them) −0.10 −0.15 to −0.05 > 0.00 ✗ failed" in text
    assert "· HR-CAM 0.50" in text


def test_what_failed_is_said_on_top_of_the_page_and_with_its_numbers(maps, picture_folders):
    write_sanity(maps, map_checks(randomisation=0.8, shift=0.2))
    text = text_of(page_of(maps, picture_folders[0]))
    top = text[: text.index("Scans by class")]
    assert "The maps failed sanity checks" in top
    assert "An untrained network gives nearly the same maps (SSIM 0.80; limit: below 0.30)" in top
    assert "A small shift changes the maps (rank correlation 0.20; limit: 0.70 or more)" in top
    chapter = text[text.index("3 of 5 checks passed") :]
    assert "Do not interpret these maps" in chapter
    assert "Do the maps depend on what the network has learnt? ✗ no" in chapter
    assert "Do they differ from maps that need no network? ✓ yes" in chapter
    assert "No masks were used." in text
    assert "With an untrained network (SSIM) 0.80 0.75 to 0.85 < 0.30 ✗ failed" in chapter


def test_what_passed_is_told_with_maps_beside_each_other(maps):
    html = page_of(write_sanity(maps)).read_text()
    text = text_of(maps.with_suffix(".html"))
    assert "The maps failed" not in text
    assert "the network of fold 3, on 2 scans that it was not trained on" in text
    assert "compared with were trained on these scans" in text
    assert "4 × 5 cells. HR-CAM agrees in part with it" in text
    assert html.count("data:image/png;base64,") == 2
    assert f"2 scans: image, {', '.join(COLUMNS[1:])}." in html
    # Before the maps: whoever sees them has passed by it.
    assert html.index('id="sanity"') < html.index('id="scans"')
    assert failed_checks(map_checks()) == ()


def test_what_was_not_measured_says_why(maps):
    text = text_of(page_of(write_sanity(maps, map_checks({"randomisation": HOSTILE}))))
    assert f"– unknown Not measured: {' '.join(HOSTILE.split())}" in text
    assert "With an untrained network (SSIM) – – < 0.30 – not measured" in text
    assert "Cascading randomisation" not in text


def test_a_page_without_checks_says_so_and_what_to_do(picture_folders, tmp_path):
    run, maps = picture_folders
    html = write_cohort_report(run, None, tmp_path / "run.html").read_text()
    assert "A training has no maps yet: <code>hrcam map RUN COHORT --out MAPS</code>" in html
    text = text_of(tmp_path / "run.html")
    assert f"{UNKNOWN} A training has no maps yet: hrcam map RUN COHORT --out MAPS" in text
    text = text_of(write_cohort_report(None, maps, tmp_path / "maps.html"))
    assert f"{UNKNOWN} The folder of maps has no sanity.json" in text
    assert "Run the same hrcam map command again" in text


def changed(**changes):
    return lambda maps: write_sanity(maps, **changes)


def shown(**changes):
    def change(maps):
        content = json.loads((maps / "sanity.json").read_text())
        content["Pictures"] |= changes
        (maps / "sanity.json").write_text(json.dumps(content))

    return change


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda maps: (maps / "sanity.json").write_text('{"Run": '), "is not valid JSON"),
        (changed(Checks={}), "cannot be understood (KeyError"),
        (changed(Run={"Manifest": "0"}), "sanity.json is of another training than the maps"),
        (changed(Fold="x"), "cannot be understood (ValueError"),
        (lambda maps: (maps / "sanity.npy").unlink(), "sanity.npy cannot be read"),
        (lambda maps: (maps / "sanity.npy").write_bytes(b"\x93NUMPY"), "sanity.npy cannot be read"),
        (lambda maps: np.save(maps / "sanity.npy", np.full((2, 5, 4, 4), np.nan)), "no pictures"),
        (lambda maps: np.save(maps / "sanity.npy", np.zeros((2, 4, 9, 9))), "has the shape"),
        (shown(File="../sanity.npy"), "is not a file of the folder"),
        (shown(Rows=[{"Scan": "a"}]), "cannot be understood (KeyError"),
    ],
)  # fmt: skip
def test_damaged_checks_are_said_and_the_maps_are_shown(maps, damage, said):
    write_sanity(maps)
    damage(maps)
    text = text_of(page_of(maps))
    assert UNKNOWN in text
    assert said in text
    assert "Run the same hrcam map command again" in text
    assert "All 12 scans" in text
    assert str(maps) not in text


def test_slices_are_marked_in_radiological_convention(maps):
    write_sanity(maps)
    plain = page_of(maps).read_bytes()
    shown(Radiological=True, Spacing=[1.0, 2.0])(maps)
    assert page_of(maps).read_bytes() != plain


def test_the_same_folder_gives_the_same_page(maps):
    write_sanity(maps)
    assert page_of(maps).read_bytes() == page_of(maps).read_bytes()


def test_the_curve_holds_its_points_and_the_limit():
    axes = cascade_figure(((0.0, 0.9), (0.25, -0.2), (1.0, 0.1)), 0.3).axes[0]
    limit, curve = axes.lines
    np.testing.assert_allclose(limit.get_ydata(), 0.3)
    np.testing.assert_allclose(curve.get_xydata(), [[0, 90 / 100], [25, -0.2], [100, 0.1]])
    assert axes.get_ylim()[0] < -0.2


def test_a_page_without_chapters_has_it_all_in_one_section():
    pictures = np.random.default_rng(0).normal(size=(1, 5, 12, 12)).astype(np.float32)
    sanity = Sanity(map_checks(), Examples(COLUMNS, ((HOSTILE, "lesion"),), pictures), "this one")
    section = sanity_section(sanity)
    elements = Elements(render_page(Page("Title", "Summary", (section,))))
    assert elements.open == []
    assert "5 of 5 checks passed" in elements.text
    assert "maps of this one, on 2 scans" in elements.text
    assert elements.text.count("✓ yes") == 5
    assert elements.tags.count("img") == 2


def test_volumes_are_said_to_be_slices(volumes, tmp_path):
    maps = write_sanity(write_maps(tmp_path / "maps", volumes), Grid=[20, 24, 9])
    assert "For volumes, the slice with the maximum of the pattern" in text_of(page_of(maps))
