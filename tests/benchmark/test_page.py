"""The page of a benchmark: what it says, that it cannot be broken, and in a browser."""

import json
import re
from html.parser import HTMLParser

import pytest
from unit_folders import AUPRC, PATTERN, FakeUnit, write_unit

from hrcam.benchmark.page.content import BenchmarkPage, Chapter, render_html, render_markdown
from hrcam.benchmark.summary.write import write_summary
from hrcam.report.figures.style import new_figure, png
from hrcam.report.page.content import Section, Table
from hrcam.report.page.interpretation import INTERPRETATION

HOSTILE = """<script>alert("x")</script> ' " & </title> {{ 7 * 7 }} onload="x()" | `rm` """


class Elements(HTMLParser):
    """Counts elements, and keeps visible text."""

    void = ("meta", "img")

    def __init__(self, html):
        super().__init__()
        self.tags, self.text, self.open = [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data if "style" not in self.open else ""


def text_of(path):
    return re.sub(r"\s+", " ", Elements(path.read_text("utf-8")).text)


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    """Two cohorts, one of them with two seeds, and a manifest and pictures as a run leaves them."""
    folder = tmp_path_factory.mktemp("out")
    for seed in (0, 1):
        unit = write_unit(folder, FakeUnit(seed=seed))
    (unit / "examples.png").write_bytes(png(new_figure(4, 2)))
    write_unit(folder, FakeUnit(cohort="busi", source="real", auprc=AUPRC | {PATTERN: 0.45}))
    manifest = {
        "suite": "quick", "commands": ["hrcam benchmark --out DIR", "hrcam <b>"], "seconds": 600,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    write_summary(folder)
    return folder


def test_the_summary_names_the_better_method_and_the_goals(out):
    text = text_of(out / "index.html")
    for expected in (
        "2 cohorts, 1 of them simulated",
        "Both as read, the HR-CAM pattern is better on lesions (simulated); worse on busi (real), ",
        "Both refined alike, the HR-CAM pattern is better on lesions (simulated); worse on busi ",
        "Of 25 goals, each counted on each cohort: ",
        "The quick suite",
        "this selection uses the masks",
        "Simulated images show the behaviour of methods with a known truth",
        "Suite “quick”; 10 minutes",
        "hrcam <b>",
        "For research use only",
        "hrcam 1.0, torch 2.0.",
    ):
        assert expected in text, expected
    assert all(point in text for point in INTERPRETATION.points)


def test_simulated_cohorts_are_called_so_everywhere(out):
    text = text_of(out / "index.html")
    names = re.findall(r"\blesions\b(.{0,12})", text)
    assert len(names) > 10
    # But for the goal's own name, and the first column beside the one that says "simulated".
    plain = [each for each in names if not each.startswith(" (simulated)")]
    assert [each for each in plain if not re.match(r": (AUPRC|point)| simulated", each)] == []


def test_the_numbers_on_the_page_are_those_of_the_summary(out):
    summary = write_summary(out)
    table = summary.table.set_index(["cohort", "method", "level", "fusion", "stage", "measure"])
    text = text_of(out / "index.html")
    row = table.loc["busi", "HR-CAM pattern", "", "", "refined", "auprc"]
    assert f"{row['mean']:.2f} ({row['low']:.2f} to {row['high']:.2f})" in text
    assert "The best rival at a single level, LayerCAM, blocks.0, has" in text
    for stage in ("as read", "refined"):
        rival = table.loc["busi", "LayerCAM", "blocks.0", "", stage, "auprc"]
        ratio = "{ratio_of_default:.2f} ({ratio_low:.2f} to {ratio_high:.2f})".format(**rival)
        assert f"HR-CAM has {ratio} times as much: worse." in text
    for goal in summary.goals:
        assert goal.verdict in text


def test_every_picture_is_a_file_and_on_the_page(out):
    names = {path.stem for path in (out / "figures").iterdir()}
    assert names == {
        "ratios", "randomisation", "examples-lesions",
        *(f"{kind}-{name}" for kind in ("auprc", "levels", "terciles", "faithfulness")
          for name in ("lesions", "busi")),
    }  # fmt: skip
    html = (out / "index.html").read_text()
    assert html.count('<img src="data:image/png;base64,') == len(names)
    assert not re.search(r'<img(?![^>]* alt="[^"]{10,})', html)


def test_the_page_refers_to_nothing_outside_itself(out):
    html = (out / "index.html").read_text()
    assert not re.search(r"https?://|url\(|@import|<link|<script", html)
    assert all(link.startswith("data:") for link in re.findall(r'src="([^"]*)"', html))
    links = re.findall(r'href="#([^"]*)"', html)
    assert len(links) == len(re.findall(r"<a ", html)) == 9
    assert all(f'id="{link}"' in html for link in links)
    assert str(out) not in html


def test_the_table_says_the_same_without_pictures(out):
    text = (out / "table.md").read_text()
    assert text.startswith("# Benchmark of HR-CAM\n\n")
    for heading in ("## Goals", "### lesions (simulated)", "## Classification performance"):
        assert heading in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert all(row.endswith("|") for row in rows)
    goals = text.split("## Goals")[1].split("\n## ")[0]
    assert goals.count("\n| ") == 2 + 25
    assert "Made with hrcam 1.0, torch 2.0." in text


def page_of(text):
    table = Table((text, "n"), ((text, "1"), ("b", "2")), numeric=(1,), caption=text)
    section = Section(text, paragraphs=(text,), table=table, points=(text,), note=text)
    return BenchmarkPage(text, text, (Chapter("one", text, (text,), (section,)),), {"a": text})


def test_hostile_names_stay_text():
    plain, hostile = (Elements(render_html(page_of(text))) for text in ("name", HOSTILE))
    assert hostile.tags == plain.tags
    assert hostile.text.count(HOSTILE) == plain.text.count("name") > 8


def test_hostile_names_make_no_markdown():
    markdown = render_markdown(page_of(HOSTILE))
    assert "<script>" not in markdown
    widths = {
        len(re.findall(r"(?<!\\)\|", line))
        for line in markdown.splitlines() if line.startswith("| ")
    }  # fmt: skip
    assert widths == {3}
    broken = render_markdown(page_of("a\n\n# b"))
    assert len(re.findall("^# ", broken, re.MULTILINE)) == 1


def test_hostile_cohorts_and_levels_on_a_real_page(tmp_path):
    from hrcam.benchmark.variant import Variant

    rival = Variant("Grad-CAM", HOSTILE)
    unit = FakeUnit(auprc={PATTERN: 0.5, rival: 0.3}, classes=("<b>control</b>", HOSTILE))
    write_unit(tmp_path, unit)
    summary = write_summary(tmp_path)
    html = summary.page.read_text()
    assert "<script" not in html
    assert "<b>" not in html
    assert f"Grad-CAM, {HOSTILE.strip()}" in text_of(summary.page)


@pytest.mark.parametrize("width", [1300, 390])
def test_the_page_in_a_browser(browser, out, width):
    context = browser.new_context(viewport={"width": width, "height": 900}, offline=True)
    page = context.new_page()
    complaints, requests = [], []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto((out / "index.html").as_uri())
    try:
        assert page.title() == "Benchmark of HR-CAM"
        # Wide tables and pictures move on their own: the page does not.
        assert page.evaluate("document.documentElement.scrollWidth") == width
        loaded = "[...document.images].map(image => image.complete && image.naturalWidth)"
        assert all(size > 100 for size in page.evaluate(loaded))
        heads = page.eval_on_selector_all(
            "tbody th", "cells => cells.map(cell => cell.getBoundingClientRect().width)"
        )
        assert min(heads) > 100
    finally:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith(("file:", "data:"))] == []
