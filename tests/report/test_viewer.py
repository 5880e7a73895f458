"""The page in a browser: what a reader does to it, and what the reader sees."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from report_folders import write_maps, write_run
from sanity_folders import map_checks, write_sanity
from test_html import HOSTILE
from viewer_page import DRAWN, canvas, names, pixels, readout, slide

from hrcam.report.cohort_report import write_cohort_report


@pytest.fixture
def visit(browser):
    """Open a page, and see at the end that nothing went wrong and nothing was asked for."""
    contexts, complaints, requests = [], [], []

    def visited(path, **settings):
        context = browser.new_context(**{"viewport": {"width": 1300, "height": 900}} | settings)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.add_init_script(
            "addEventListener('securitypolicyviolation', e => console.error(e.violatedDirective))"
        )
        page.goto(path.as_uri())
        page.wait_for_function(DRAWN)
        return page

    yield visited
    for context in contexts:
        context.close()
    # Chromium advises against reading canvases, which only these tests do.
    assert [each for each in complaints if "willReadFrequently" not in each] == []
    assert all(url.startswith("file:") for url in requests)
    assert len(requests) == len(contexts)


@pytest.fixture(scope="module")
def picture_page(picture_folders, tmp_path_factory):
    return write_cohort_report(*picture_folders, tmp_path_factory.mktemp("p") / "report.html")


@pytest.fixture(scope="module")
def volume_page(volume_maps, tmp_path_factory):
    return write_cohort_report(None, volume_maps, tmp_path_factory.mktemp("v") / "report.html")


def test_the_image_is_shown_as_it_is_and_the_map_over_it(visit, picture_page, pictures):
    page = visit(picture_page)
    slide(page, "threshold", "0")
    image, overlaid = pixels(page, canvas(2, 1)), pixels(page, canvas(2, 2))
    low, high = np.percentile(np.round(pictures[1].image * 255), (0.5, 99.5))
    expected = ((np.round(pictures[1].image * 255) - low) / (high - low)).clip(0, 1) * 255
    np.testing.assert_allclose(image[..., 0], expected, atol=1)
    assert np.all(image == image[..., :1])
    # Warm where the pattern is high, cold where it is low.
    warmth = overlaid[..., 0] - overlaid[..., 2]
    pattern = pictures[1].maps["pattern"]
    assert warmth[np.unravel_index(pattern.argmax(), pattern.shape)] > 100
    assert warmth[np.unravel_index(pattern.argmin(), pattern.shape)] < 0


def test_sliders_act_at_once(visit, picture_page, pictures):
    page = visit(picture_page)
    before = pixels(page, canvas(2, 2))
    image = pixels(page, canvas(2, 1))
    slide(page, "threshold", "0.5")
    limit = float(re.search(r"[\d.]+", page.text_content("#scans .scale .high"))[0])
    said = page.text_content("#scans output.threshold")
    assert float(said.split()[0]) == pytest.approx(limit / 2, abs=0.01)
    after = pixels(page, canvas(2, 2))
    shown = np.abs(pictures[1].maps["pattern"]) >= limit / 2
    near = np.abs(np.abs(pictures[1].maps["pattern"]) - limit / 2) < 0.05
    np.testing.assert_array_equal(after[~shown & ~near], image[~shown & ~near])
    np.testing.assert_array_equal(after[shown & ~near], before[shown & ~near])
    assert (after != image).any()
    slide(page, "opacity", "0")
    np.testing.assert_array_equal(pixels(page, canvas(2, 2)), image)


def test_the_map_can_be_chosen(visit, picture_page):
    page = visit(picture_page)
    before = pixels(page, canvas(1, 2))
    page.check("#scans input[value=evidence]", force=True)
    assert (pixels(page, canvas(1, 2)) != before).any()
    assert page.text_content("#scans .scale .high").endswith("logit")


def test_filters_and_order(visit, picture_page, pictures):
    page = visit(picture_page)
    everyone = [scan.name for scan in pictures]
    assert names(page) == everyone
    page.select_option("#scans select[name=label]", "lesion")
    lesions = [scan for scan in pictures if scan.label == "lesion"]
    assert names(page) == [scan.name for scan in lesions]
    page.select_option("#scans select[name=outcome]", "wrong")
    wrong = [scan for scan in lesions if scan.predicted(("control", "lesion")) == "control"]
    assert names(page) == [scan.name for scan in wrong]
    assert page.text_content("#scans .count") == "3 of 12 scans"
    page.select_option("#scans select[name=label]", "")
    page.select_option("#scans select[name=outcome]", "")
    page.select_option("#scans select[name=order]", "sure")
    ranked = sorted(pictures, key=lambda scan: -max(scan.probabilities))
    assert names(page) == [scan.name for scan in ranked]
    page.select_option("#scans select[name=order]", "unsure")
    assert names(page) == [scan.name for scan in reversed(ranked)]
    page.select_option("#scans select[name=order]", "name")
    assert names(page) == everyone


def test_scans_seen_in_training_can_be_told_apart(visit, pictures, tmp_path):
    scans = [replace(scan, seen=i % 3 == 0) for i, scan in enumerate(pictures)]
    page = visit(write_cohort_report(None, write_maps(tmp_path / "m", scans), tmp_path / "r.html"))
    for choice, kept in (("yes", [True]), ("no", [False]), ("", [True, False])):
        page.select_option("#scans select[name=seen]", choice)
        assert names(page) == [scan.name for scan in scans if scan.seen in kept]
    assert page.locator("#group select").count() == 0


def test_no_filter_where_all_were_seen_or_none(visit, picture_page):
    assert visit(picture_page).locator("select[name=seen]").count() == 0


_OVERFLOWING = """() => [...document.querySelectorAll(".bars .number")].filter(cell => {
  const range = document.createRange();
  range.selectNodeContents(cell);
  const text = range.getBoundingClientRect(), track = cell.previousElementSibling;
  return text.right > cell.getBoundingClientRect().right + 0.5
    || text.left < track.getBoundingClientRect().right;
}).map(cell => cell.textContent)"""


@pytest.mark.parametrize("width", [400, 1300])
@pytest.mark.parametrize("scale", [1e-7, 1, 1e6])
def test_numbers_of_levels_stay_in_their_cards(visit, pictures, tmp_path, width, scale):
    levels = {"blocks": 0.27 * scale, "blocks.3": -1.2345 * scale}
    scans = [replace(scan, changes={"LevelContributions": levels}) for scan in pictures[:2]]
    page = visit(
        write_cohort_report(None, write_maps(tmp_path / "m", scans), tmp_path / "r.html"),
        viewport={"width": width, "height": 900},
    )
    assert page.locator("#scans .bars.signed .number").count() == 4
    assert page.evaluate(_OVERFLOWING) == []


def test_tables_of_metrics_fit_a_desktop(visit, picture_page):
    page = visit(picture_page)
    assert page.locator("#predictions .scroll").count() > 4
    assert page.eval_on_selector_all(
        "#predictions .scroll", "all => all.every(e => e.scrollWidth <= e.clientWidth)"
    )


def test_a_click_reads_the_map_of_a_picture(visit, picture_page, pictures):
    page = visit(picture_page)
    box = page.locator(canvas(2, 2)).bounding_box()
    row, column = 10, 30
    page.locator(canvas(2, 2)).click(
        position={"x": (column + 0.5) / 48 * box["width"], "y": (row + 0.5) / 48 * box["height"]}
    )
    said = readout(page, 2)
    assert said.startswith("column 30, row 10: pattern ")
    value = float(re.search(r"pattern (−?[\d.]+) root SD", said)[1].replace("−", "-"))
    step = np.abs(pictures[1].maps["pattern"]).max() / 127
    assert value == pytest.approx(pictures[1].maps["pattern"][row, column], abs=step / 2 + 0.01)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    said = readout(page, 2)
    assert said.startswith("column 31, row 11: pattern ")


def place(page, card):
    said = readout(page, card)
    assert "mm: pattern" in said
    return np.array([float(x.replace("−", "-")) for x in re.findall(r"[xyz] (−?[\d.]+)", said)])


def test_a_volume_is_moved_through_in_millimetres(visit, volume_page, volumes):
    page = visit(volume_page)
    grid = json.loads(page.get_attribute("#scans .card", "data-grid"))
    affine = np.array(grid["affine"])
    np.testing.assert_allclose(place(page, 1), (affine @ [*grid["start"], 1])[:3], atol=0.06)
    coronal_before, axial = pixels(page, canvas(1, 2)), canvas(1, 1)
    # A quarter from the left is three quarters to the right of the patient: radiological.
    box = page.locator(axial).bounding_box()
    page.locator(axial).click(position={"x": box["width"] * 0.26, "y": box["height"] * 0.26})
    x, y, _ = grid["shape"]
    index = [x - 1 - int(0.26 * x), y - 1 - int(0.26 * y), grid["start"][2]]
    np.testing.assert_allclose(place(page, 1), (affine @ [*index, 1])[:3], atol=0.06)
    assert (pixels(page, canvas(1, 2)) != coronal_before).any()
    # The cards of others stay where they are; keys move by one voxel, to the patient's left.
    page.keyboard.press("ArrowRight")
    page.keyboard.press("PageUp")
    index = [index[0] - 1, index[1], index[2] + 1]
    np.testing.assert_allclose(place(page, 1), (affine @ [*index, 1])[:3], atol=0.06)
    sliders = page.locator("#scans .card:nth-of-type(1) input.slice")
    assert sliders.evaluate_all("all => all.map(s => Number(s.value))") == [
        index[2], index[1], index[0]
    ]  # fmt: skip
    sliders.nth(2).focus()
    page.keyboard.press("Home")
    np.testing.assert_allclose(place(page, 1), (affine @ [0, *index[1:], 1])[:3], atol=0.06)
    assert "mm" in sliders.nth(2).get_attribute("aria-valuetext")


def test_the_planes_of_a_volume_are_radiological(visit, volumes, tmp_path):
    """A map that is high at one place only, told apart by its millimetres."""
    spot = np.zeros((24, 24, 24), np.float32)
    spot[5, 9, 20] = 1
    scan = replace(volumes[0], maps={"pattern": spot, "evidence": spot}, of_class="lesion")
    path = write_cohort_report(None, write_maps(tmp_path / "maps", [scan]), tmp_path / "r.html")
    page = visit(path)
    grid = json.loads(page.get_attribute("#scans .card", "data-grid"))
    place_in_mm = scan.affine @ [5, 9, 20, 1]
    x, y, z, _ = np.linalg.solve(np.array(grid["affine"]), place_in_mm).round().astype(int)
    for axis, index in enumerate((z, y, x)):  # axial, coronal, sagittal
        page.locator("#scans input.slice").nth(axis).fill(str(index))
    expected = {1: (23 - y, 23 - x), 2: (23 - z, 23 - x), 3: (23 - z, 23 - y)}
    for pane, where in expected.items():
        found = pixels(page, canvas(1, pane))
        colourful = np.ptp(found, axis=2)
        assert np.unravel_index(colourful.argmax(), colourful.shape) == where


def test_the_page_can_be_used_by_keyboard_alone(visit, volume_page):
    page = visit(volume_page)
    page.focus("#scans input[value=pattern]")
    reached = []
    for _ in range(21):
        reached.append(
            page.evaluate("document.activeElement.name || document.activeElement.tagName")
        )
        page.keyboard.press("Tab")
    assert reached[1:8] == ["threshold", "opacity", "width", "level", "sides", "beside", "BUTTON"]
    assert reached[8:13] == ["SUMMARY", "search", "label", "outcome", "order"]
    assert reached[13:] == [*["CANVAS", "INPUT"] * 3, "BUTTON", "BUTTON"]
    page.focus("#scans input[value=pattern]")
    page.keyboard.press("ArrowRight")
    assert page.is_checked("#scans input[value=evidence]")


def test_means_and_differences_are_drawn(visit, picture_page):
    page = visit(picture_page)
    page.check("#group input[value=evidence]", force=True)
    titles = page.eval_on_selector_all(
        "#group .card", "cards => cards.filter(c => c.offsetParent).map(c => c.dataset.name)"
    )
    assert titles == [
        "Mean of 6 scans: control; evidence for lesion",
        "Mean of 6 scans: lesion; evidence for lesion",
        "Difference, evidence for lesion",
        "t-like score of the difference, evidence for lesion",
    ]
    page.wait_for_function(DRAWN)
    page.locator("#group .card:visible canvas").last.click()
    page.wait_for_function(DRAWN)
    card = page.locator("#group .card:visible").last
    said = card.locator(".readout").text_content()
    end = json.loads(card.get_attribute("data-grid"))["maps"]["lesion"]["evidence"]["limit"]
    digits = 2 if end < 10 else 1 if end < 100 else 0
    assert re.search(rf": t −?[\d.]+ \(colours end at ±{end:.{digits}f}\)", said)


@pytest.mark.parametrize("width", [360, 1300])
def test_hostile_names_are_text_and_the_layout_holds(visit, pictures, tmp_path, width):
    name = HOSTILE + "x" * 300
    classes = ("control", "‮" + HOSTILE)
    scans = [
        replace(
            scan,
            name=name if index == 0 else f"ציוד-{index}",
            label=classes[scan.label == "lesion"],
            of_class="control",
        )
        for index, scan in enumerate(pictures)
    ]
    run = write_run(tmp_path / "run", scans, classes)
    maps = write_maps(tmp_path / "maps", scans, classes, run=run)
    page = visit(
        write_cohort_report(run, maps, tmp_path / "r.html"),
        viewport={"width": width, "height": 800},
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert name in page.eval_on_selector_all("#scans .card", "all => all.map(c => c.dataset.name)")
    page.select_option("#scans select[name=label]", classes[1])
    assert len(names(page)) == 6


@pytest.mark.parametrize("name", ["picture_page", "volume_page"])
def test_it_fits_a_phone_and_the_dark(visit, request, name):
    page = visit(
        request.getfixturevalue(name),
        viewport={"width": 390, "height": 844},
        color_scheme="dark",
        is_mobile=True,
        has_touch=True,
    )
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 29)"
    page.tap(canvas(1, 1))
    assert ": pattern" in readout(page, 1)


def test_on_paper_all_is_unfolded_and_controls_are_gone(visit, picture_page):
    page = visit(picture_page)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.eval_on_selector_all(
        "details:not(.help)", "all => all.length === 2 && all.every(d => d.open)"
    )
    assert not page.is_visible("#scans select[name=order]")
    assert page.is_visible("#scans .card:nth-of-type(12) canvas >> nth=0")
    assert page.pdf()[:4] == b"%PDF"


def test_injected_markup_cannot_run(browser, picture_page, tmp_path):
    """Even if a name became markup, the policy would stop it."""
    html = picture_page.read_text().replace("<main>", "<main><script>window.hit = 1</script>")
    path = tmp_path / "injected.html"
    path.write_text(html)
    complaints = []
    with browser.new_context() as context:
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(path.as_uri())
        page.wait_for_function(DRAWN)
        assert page.evaluate("window.hit") is None
    assert any("Content Security Policy" in complaint for complaint in complaints)


@pytest.mark.parametrize("settings", [{"viewport": {"width": 360, "height": 800}}, {}])
@pytest.mark.parametrize("colours", ["light", "dark"])
def test_failed_checks_of_the_maps_are_seen_at_once(
    visit, picture_folders, tmp_path, settings, colours
):
    maps = shutil.copytree(picture_folders[1], tmp_path / "maps")
    write_sanity(maps, map_checks(randomisation=0.9))
    path = write_cohort_report(picture_folders[0], maps, tmp_path / "report.html")
    page = visit(path, color_scheme=colours, **settings)
    width = page.evaluate("innerWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".failed-checks").bounding_box()["y"] < 900
    page.click(".failed-checks a")
    page.wait_for_function(
        "() => Math.abs(document.querySelector('#sanity').getBoundingClientRect().top) < 60"
    )
    marks = page.eval_on_selector_all(
        "#sanity .answers .outcome",
        "all => all.map(each => [each.textContent, getComputedStyle(each).color])",
    )
    assert [text for text, _ in marks] == ["✗ no"] + ["✓ yes"] * 4
    assert len({colour for _, colour in marks}) == 2
    shown = page.eval_on_selector_all("#sanity img", "all => all.map(each => each.naturalWidth)")
    assert all(size > 500 for size in shown)
    assert len(shown) == 2
