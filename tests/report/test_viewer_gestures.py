"""Wheel, mouse, keys and typing on one page of volumes, and what they change, by value."""

import json
import re
from dataclasses import replace

import nibabel
import numpy as np
import pytest
from PIL import Image
from report_folders import CLASSES, simulated, write_maps
from viewer_page import DRAWN, canvas, pixels, readout, readout_after, show, slide

from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.scan_input import ScanInput
from hrcam.report.cohort_report import write_cohort_report
from hrcam.report.viewer.scan_view import read_view

SIZE = 24
LEVEL = 0.8
SLAB = np.diag([0.75, 0.75, 3.0, 1.0])
BOXED = ScanInput(((4, 20), (6, 18), (2, 22)), 0.28, (3.0, 2.0, 2.0), None, 7.25, 1.5, 40).to_json()
"""Of a scan that the network saw a part of, and whose features are far away."""


@pytest.fixture(scope="module")
def maps(tmp_path_factory):
    """Seven volumes with maps for both classes; one slab of few slices with one map."""
    scans = simulated(3, subjects=7, size=SIZE)
    other = [
        replace(
            scan,
            of_class=name,
            maps={k: v * sign for k, v in scan.maps.items()},
            found=2 * (sign * scan.maps["pattern"] > LEVEL),
            mask=np.roll(scan.maps["pattern"] > LEVEL, 1, axis=0),
            changes={
                "Primary": name == scan.predicted(CLASSES),
                "Input": BOXED if scan.name == "sub-002" else None,
            },
        )
        for scan in scans
        for name, sign in (("control", -0.5), ("lesion", 1.0))
    ]
    rng = np.random.default_rng(0)
    image, pattern = rng.random((2, 64, 64, 5)).astype(np.float32)
    slab = replace(
        scans[1],
        name="thin/é 1",
        participant="Doe",
        image=image,
        maps={"pattern": pattern - 0.5, "evidence": pattern},
        affine=SLAB,
    )
    return write_maps(tmp_path_factory.mktemp("gestures") / "maps", [*other, slab])


@pytest.fixture(scope="module")
def views(maps):
    """Of each scan and class, on the page's own grid."""
    mapped = read_maps(maps)
    records = (*mapped.records, *mapped.further)
    return {(record.scan, record.map_class): read_view(record) for record in records}


@pytest.fixture(scope="module")
def opened(browser, maps, tmp_path_factory):
    path = write_cohort_report(None, maps, tmp_path_factory.mktemp("page") / "report.html")
    with browser.new_context(viewport={"width": 1300, "height": 1000}) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        yield page


@pytest.fixture
def page(opened):
    complaints = []
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.reload()
    opened.wait_for_function(DRAWN)
    yield opened
    # Chromium advises against reading canvases, which only these tests do.
    assert [each for each in complaints if "willReadFrequently" not in each] == []


def number(text):
    return float(text.replace("−", "-"))


def at(page, selector, x, y):
    """Bring a plane to the screen, and give the place of a share of its width and height."""
    page.locator(selector).scroll_into_view_if_needed()
    box = page.locator(f"{selector} >> xpath=../..").bounding_box()
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def caption(page, card, pane):
    return page.text_content(
        f"#scans .card:nth-of-type({card}) .plane:nth-of-type({pane}) >> css=figcaption"
    )


def slice_of(page, card, pane):
    """Index of the shown slice, from 0."""
    return int(re.search(r"slice (\d+) of", caption(page, card, pane))[1]) - 1


def shown(page):
    return page.eval_on_selector_all(
        "#scans .card", "cards => cards.filter(c => c.offsetParent).map(c => c.dataset.name)"
    )


def stage(page, selector):
    """Zoom and shift of a plane."""
    style = page.locator(selector).first.locator("xpath=..").get_attribute("style")
    x, y, zoom = re.search(r"translate\((\S+)%, (\S+)%\) scale\((\S+?)\)", style).groups()
    return float(zoom), float(x), float(y)


def test_the_wheel_turns_the_slices(page, views):
    view = views["sub-002", "lesion"]
    before, axial = slice_of(page, 2, 1), pixels(page, canvas(2, 1))
    page.mouse.move(*at(page, canvas(2, 1), 0.5, 0.5))
    page.mouse.wheel(0, -100)
    page.wait_for_function(
        "n => document.querySelectorAll('#scans .card')[1].querySelector('figcaption')"
        ".textContent.includes(`slice ${n} `)",
        arg=before + 3,
    )
    after = pixels(page, canvas(2, 1))
    assert (after != axial).any()
    # Where nothing is coloured, it is that slice: anterior on top, right on the left.
    low, high = view.range
    dark, bright = view.window
    grey = (low + view.image / 255 * (high - low) - dark) / (bright - dark)
    expected = (grey[::-1, ::-1, before + 2].T * 255).clip(0, 255)
    plain = np.ptp(after.astype(int), axis=2) == 0
    assert plain.mean() > 0.5
    np.testing.assert_allclose(after[plain][:, 0], expected[plain], atol=1)
    page.mouse.wheel(0, 10000)
    page.wait_for_function(
        "() => document.querySelectorAll('#scans .card')[1].querySelector('figcaption')"
        ".textContent.includes('slice 1 ')"
    )


def test_the_value_under_the_pointer_is_that_of_the_file(page, views):
    view = views["sub-002", "lesion"]
    z = slice_of(page, 2, 1)
    show(page, canvas(2, 1))
    still = readout(page, 2)
    for x, y in ((3, 4), (11, 12), (20, 17)):
        before = readout(page, 2)
        page.mouse.move(*at(page, canvas(2, 1), (x + 0.5) / SIZE, (y + 0.5) / SIZE))
        said = readout_after(page, 2, before)
        index = SIZE - 1 - x, SIZE - 1 - y, z
        place = [number(each) for each in re.findall(r"[xyz] (−?[\d.]+)", said)]
        np.testing.assert_allclose(place, (view.grid.page_affine @ [*index, 1])[:3], atol=0.06)
        step = float(np.abs(view.maps["pattern"]).max()) / 127
        value = number(re.search(r"pattern (\S+) root SD", said)[1])
        assert value == pytest.approx(view.maps["pattern"][index], abs=step / 2 + 0.006)
        low, high = view.range
        image = number(re.search(r"; image (\S+)", said)[1])
        assert image == pytest.approx(low + view.image[index] / 255 * (high - low), abs=0.006)
    # The crosshair stays where it was, and is read when the pointer leaves.
    page.mouse.move(5, 5)
    assert readout_after(page, 2, said) == still


def test_dragging_moves_the_crosshair(page):
    start = at(page, canvas(1, 1), 0.3, 0.3)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move(*at(page, canvas(1, 1), 0.51, 0.76), steps=3)
    page.mouse.up()
    page.wait_for_function(DRAWN)
    sliders = page.locator("#scans .card:nth-of-type(1) input.slice")
    coronal, sagittal = (int(sliders.nth(k).input_value()) for k in (1, 2))
    assert (sagittal, coronal) == (SIZE - 1 - int(0.51 * SIZE), SIZE - 1 - int(0.76 * SIZE))
    lines = page.locator("#scans .card:nth-of-type(1) .plane:nth-of-type(1) i")
    shares = [each.get_attribute("style") for each in lines.all()]
    expected = [(int(share * SIZE) + 0.5) * 100 / SIZE for share in (0.51, 0.76)]
    for style, share in zip(shares, expected, strict=True):
        assert float(re.search(r"([\d.]+)%", style)[1]) == pytest.approx(share, abs=0.01)


def test_zoom_keeps_the_place_under_the_pointer_and_can_be_moved(page):
    axial, coronal = canvas(1, 1), canvas(1, 2)
    page.mouse.move(*at(page, axial, 0.2, 0.7))
    before = readout(page, 1)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -200)
    page.keyboard.up("Control")
    page.wait_for_function(
        "s => !document.querySelector(s).parentElement.style.transform.endsWith('scale(1)')",
        arg=axial,
    )
    zoom, x, y = stage(page, axial)
    assert zoom == pytest.approx(np.e, rel=0.01)
    assert stage(page, coronal) == (1, 0, 0)
    page.mouse.move(*at(page, axial, 0.21, 0.7))
    page.mouse.move(*at(page, axial, 0.2, 0.7))
    assert readout(page, 1) == before
    # Shift and drag move what is zoomed, not the crosshair.
    page.mouse.move(5, 5)
    still = readout(page, 1)
    page.keyboard.down("Shift")
    page.mouse.move(*at(page, axial, 0.5, 0.5))
    page.mouse.down()
    page.mouse.move(*at(page, axial, 0.6, 0.45), steps=2)
    page.mouse.up()
    page.keyboard.up("Shift")
    assert stage(page, axial) == pytest.approx((zoom, x + 10, y - 5), abs=0.5)
    page.mouse.move(5, 5)
    assert readout(page, 1) == still
    page.focus(axial)
    page.keyboard.press("Shift+ArrowRight")
    assert stage(page, axial)[1] == pytest.approx(x + 0, abs=0.5)
    page.keyboard.press("0")
    assert stage(page, axial) == (1, 0, 0)
    for key, expected in (("+", 1.25), ("+", 1.5625), ("-", 1.25)):
        page.keyboard.press(key)
        assert stage(page, axial)[0] == pytest.approx(expected)
    page.click("#scans .reset")
    assert stage(page, axial) == (1, 0, 0)


def test_window_and_level_change_the_greys(page, views):
    slide(page, "opacity", "0")
    view = views["sub-001", "control"]
    z = slice_of(page, 1, 1)
    low, high = view.range
    dark, bright = view.window
    share = ((low + view.image / 255 * (high - low) - dark) / (bright - dark))[::-1, ::-1, z].T

    def expected(width, level):
        return (((share - level) / width + 0.5) * 255).clip(0, 255)

    first = pixels(page, canvas(1, 1))
    np.testing.assert_allclose(first[..., 0], expected(1, 0.5), atol=1)
    slide(page, "width", "0.5")
    slide(page, "level", "0.3")
    narrow = pixels(page, canvas(1, 1))
    np.testing.assert_allclose(narrow[..., 0], expected(0.5, 0.3), atol=1)
    assert page.text_content("#scans output.width") == "50 %"
    # The right button: downwards is darker, to the right has more contrast.
    page.mouse.move(*at(page, canvas(1, 1), 0.4, 0.4))
    page.mouse.down(button="right")
    page.mouse.move(*at(page, canvas(1, 1), 0.5, 0.6), steps=2)
    page.mouse.up(button="right")
    width, level = (
        float(page.input_value(f"#scans input[name={name}]")) for name in ("width", "level")
    )
    assert width == pytest.approx(0.5 * np.exp(-0.2), abs=0.02)
    assert level > 0.3
    moved = pixels(page, canvas(1, 1))
    np.testing.assert_allclose(moved[..., 0], expected(width, level), atol=1)
    page.click("#scans .reset")
    np.testing.assert_array_equal(pixels(page, canvas(1, 1)), first)


def test_the_convention_turns_left_and_right(page):
    pane = "#scans .card:nth-of-type(1) .plane:nth-of-type({}) b"
    before = [pixels(page, canvas(1, plane)) for plane in (1, 2, 3)]
    assert page.locator(pane.format(1)).all_text_contents() == ["R", "L", "A", "P"]
    assert page.text_content("#scans .convention").startswith("Radiological")
    page.select_option("#scans select[name=sides]", "neurological")
    after = [pixels(page, canvas(1, plane)) for plane in (1, 2, 3)]
    for plane in (0, 1):
        np.testing.assert_array_equal(after[plane], before[plane][:, ::-1])
        assert (after[plane] != before[plane]).any()
    np.testing.assert_array_equal(after[2], before[2])
    assert page.locator(pane.format(1)).all_text_contents() == ["L", "R", "A", "P"]
    assert page.locator(pane.format(3)).all_text_contents() == ["A", "P", "S", "I"]
    said = page.text_content("#scans .convention")
    assert said == "Neurological convention: the right of the subject is on the right."
    # A key moves the crosshair to where it points: now to the right of the subject.
    x = [number(re.search(r"x (−?[\d.]+)", readout(page, 1))[1])]
    page.focus(canvas(1, 1))
    page.keyboard.press("ArrowRight")
    page.wait_for_function(DRAWN)
    x.append(number(re.search(r"x (−?[\d.]+)", readout(page, 1))[1]))
    assert x[1] == pytest.approx(x[0] + 2, abs=0.11)


def test_scans_are_found_by_name_and_come_in_pages(page):
    every = [f"sub-{index:03d}" for index in range(1, 8)]
    first = shown(page)
    assert first == every[:6]
    assert page.text_content("#scans .finder .place") == "page 1 of 2"
    assert page.locator("#scans .finder button").first.is_disabled()
    page.locator("#scans .finder button", has_text="Next").click()
    second = shown(page)
    assert second == [*every[6:], "thin/é 1"]
    assert page.text_content("#scans .finder .place") == "page 2 of 2"
    page.locator("#scans .cards + .pager button", has_text="Previous").click()
    assert shown(page) == first
    page.locator("#scans .finder button", has_text="Next").click()
    # A search starts at the first page of what it finds.
    page.locator("#scans input[name=search]").press_sequentially("00")
    assert page.text_content("#scans .count") == "7 of 8 scans"
    assert shown(page) == every[:6]
    page.locator("#scans input[name=search]").press_sequentially("5")
    assert shown(page) == ["sub-005"]
    assert not page.locator("#scans .finder .pager").is_visible()
    page.fill("#scans input[name=search]", " doe ")  # the participant of the slab
    assert shown(page) == ["thin/é 1"]
    page.fill("#scans input[name=search]", "nobody")
    assert shown(page) == []
    assert page.text_content("#scans .count") == "0 of 8 scans"


def test_the_class_of_the_maps_can_be_switched(page, views):
    def value():
        return number(re.search(r"pattern (\S+) root SD", readout(page, 2))[1])

    def bars():
        return page.eval_on_selector_all(
            "#scans .card:nth-of-type(2) .bars[data-class]",
            "all => all.filter(b => b.offsetParent).map(b => b.dataset.class)",
        )

    of = "#scans .card:nth-of-type(2) .of"
    assert page.text_content(of) == "lesion"
    assert bars() == ["lesion"]
    lesion = value()
    assert lesion == pytest.approx(views["sub-002", "lesion"].maps["pattern"].max(), rel=0.02)
    page.select_option("#scans select[name=of]", "control")
    page.wait_for_function(DRAWN)
    assert page.text_content(of) == "control"
    assert bars() == ["control"]
    assert value() == pytest.approx(-lesion / 2, rel=0.02)
    # The slab has no map for this class.
    assert page.text_content("#scans .count") == "7 of 8 scans"
    page.select_option("#scans select[name=of]", "")
    page.wait_for_function(DRAWN)
    assert value() == lesion


def edges(mask):
    """Edges between pixels inside and outside, as (x, y, whether it is vertical)."""
    padded = np.pad(mask, 1)
    across = np.argwhere(padded[1:] != padded[:-1]) - (0, 1)
    down = np.argwhere(padded[:, 1:] != padded[:, :-1]) - (1, 0)
    return {(x, y, False) for y, x in across} | {(x, y, True) for y, x in down}


def drawn(page, name):
    """Edges that the outline in the axial plane of the second card has."""
    page.wait_for_function(DRAWN)
    pane = "#scans .card:nth-of-type(2) .plane:nth-of-type(1)"
    found = set()
    path = page.get_attribute(f"{pane} path.{name}", "d")
    for x, y, way, end in re.findall(r"M(\d+) (\d+)([HV])(\d+)", path):
        x, y, end = int(x), int(y), int(end)
        if way == "H":
            found |= {(each, y, False) for each in range(x, end)}
        else:
            found |= {(x, each, True) for each in range(y, end)}
    return found


def test_findings_and_true_masks_are_outlined(page, views):
    z = slice_of(page, 2, 1)

    def expected(mask):
        return edges(mask[::-1, ::-1, z].T)

    lesion, control = views["sub-002", "lesion"], views["sub-002", "control"]
    assert expected(lesion.maps["pattern"] > LEVEL)
    assert drawn(page, "findings") == expected(lesion.maps["pattern"] > LEVEL)
    assert drawn(page, "truth") == expected(lesion.truth) != drawn(page, "findings")
    assert lesion.truth.sum() == (lesion.maps["pattern"] > LEVEL).sum()
    page.uncheck("#scans input[name=findings]")
    assert drawn(page, "findings") == set()
    assert drawn(page, "truth") == expected(lesion.truth)
    page.uncheck("#scans input[name=truth]")
    assert drawn(page, "truth") == set()
    # Findings are those of the class whose map is shown.
    page.check("#scans input[name=findings]")
    page.select_option("#scans select[name=of]", "control")
    assert drawn(page, "findings") == expected(control.maps["pattern"] > LEVEL)
    assert page.locator("#group input[name=findings]").count() == 0


def test_what_the_network_saw_is_outlined(page, views):
    box = views["sub-002", "lesion"].box
    assert box.sum() == 16 * 12 * 20
    z = slice_of(page, 2, 1)
    assert drawn(page, "grid") == edges(box[::-1, ::-1, z].T) != set()
    page.uncheck("#scans input[name=grid]")
    assert drawn(page, "grid") == set()
    page.check("#scans input[name=grid]")


def test_a_scan_unlike_those_of_the_training_has_a_banner(page):
    card = "#scans .card:nth-of-type(2)"
    assert page.locator("#scans .warning").count() == 1
    warning = page.locator(f"{card} .warning")
    assert warning.is_visible()
    assert warning.text_content() == (
        "Do not trust this map. The scan is unlike the scans that the network learnt from: its "
        "features are 7.2 times as far from theirs as those of the median held-out scan, and one "
        "in 20 held-out scans is beyond 1.5."
    )
    assert "The network saw 28 % of the scan" in page.text_content(card)
    told = "1 scan of this folder is unlike those that the network learnt from"
    assert told in page.text_content("#scans")


def test_the_image_can_be_seen_alone_beside(page):
    card = "#scans .card:nth-of-type(1)"
    assert page.locator(f"{card} canvas").count() == 3
    page.check("#scans input[name=beside]")
    page.wait_for_function(DRAWN)
    assert page.locator(f"{card} canvas").count() == 6
    alone = f"{card} .row:nth-of-type(2) .plane:nth-of-type(1)"
    assert page.text_content(f"{alone} figcaption").endswith(", image alone")
    found, over = pixels(page, f"{alone} canvas"), pixels(page, canvas(1, 1))
    assert not np.ptp(found.astype(int), axis=2).any()
    assert np.ptp(over.astype(int), axis=2).any()
    # Both have one zoom.
    page.focus(canvas(1, 1))
    page.keyboard.press("+")
    assert stage(page, f"{alone} canvas") == stage(page, canvas(1, 1)) != (1, 0, 0)


def test_the_slices_of_a_slab_are_large(page, views):
    page.fill("#scans input[name=search]", "thin")
    page.wait_for_function(DRAWN)
    card = page.locator("#scans .card:visible")
    sizes = [each.bounding_box() for each in card.locator(".frame").all()]
    inner = card.locator(".planes").bounding_box()["width"]
    assert sizes[0]["width"] == pytest.approx(inner, abs=1)
    assert sizes[0]["height"] == pytest.approx(sizes[0]["width"], rel=0.01)
    assert all(size["height"] < sizes[0]["height"] / 4 for size in sizes[1:])
    widths = card.locator("canvas").evaluate_all("all => all.map(c => [c.width, c.height])")
    assert widths == [[64, 64], [64, 5], [64, 5]]
    # Enlarged, it has the width of the page, as far as the screen is high enough.
    button = card.locator(".enlarge")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    larger = card.locator(".frame").first.bounding_box()
    assert larger["width"] > 1.3 * sizes[0]["width"]
    assert larger["height"] <= 0.86 * 1000
    button.click()
    assert card.locator(".frame").first.bounding_box()["width"] == sizes[0]["width"]


def test_a_map_can_be_downloaded(page, views, tmp_path):
    page.fill("#scans input[name=search]", "thin")
    page.wait_for_function(DRAWN)
    page.check("#scans input[value=evidence]", force=True)
    with page.expect_download() as download:
        page.locator("#scans .card:visible .download").click()
    assert download.value.suggested_filename == "thin-é-1_label-lesion_desc-evidence.nii.gz"
    path = tmp_path / "map.nii.gz"
    download.value.save_as(path)
    image = nibabel.load(path)
    expected = views["thin/é 1", "lesion"].maps["evidence"]
    np.testing.assert_array_equal(image.affine, SLAB)
    assert image.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(image.get_fdata(), expected, atol=np.abs(expected).max() / 253)


def test_a_picture_can_be_downloaded_with_its_map(browser, picture_folders, tmp_path):
    path = write_cohort_report(None, picture_folders[1], tmp_path / "r.html", subjects=1)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(path.as_uri())
        with page.expect_download() as download:
            page.locator("#scans .download").click()
        download.value.save_as(tmp_path / "map.png")
        found = np.asarray(Image.open(tmp_path / "map.png"))[..., :3]
        np.testing.assert_array_equal(found, pixels(page, canvas(1, 2)))


def test_at_first_the_strongest_twentieth_is_coloured(page, maps, views):
    predicted = {record.scan: record.prediction.text for record in read_maps(maps).records}
    thresholds = json.loads(page.get_attribute("#scans .viewer", "data-thresholds"))
    limits = json.loads(page.get_attribute("#scans .viewer", "data-limits"))
    for kind in ("pattern", "evidence"):
        page.check(f"#scans input[value={kind}]", force=True)
        chosen = float(page.input_value("#scans input[name=threshold]"))
        assert chosen == thresholds[kind] > 0.1
        shares = []
        for (scan, of_class), view in views.items():
            if predicted[scan] != of_class:
                continue
            low, high = view.range
            dark, bright = view.window
            image = (low + view.image / 255 * (high - low) - dark) / (bright - dark)
            inside = np.abs(view.maps[kind])[image >= 0.13]
            shares.append((inside >= chosen * limits[kind]).mean())
        assert 0.02 < np.median(shares) < 0.09
    # What the reader has chosen stays.
    slide(page, "threshold", "0.77")
    page.check("#scans input[value=pattern]", force=True)
    assert page.input_value("#scans input[name=threshold]") == "0.77"
