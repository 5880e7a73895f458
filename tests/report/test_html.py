import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hrcam.errors import InputError
from hrcam.report.page.content import Page, Picture, Section, Table
from hrcam.report.page.html import render_page, write_page
from hrcam.report.page.interpretation import INTERPRETATION

HOSTILE = """<script>alert("x")</script> ' " & </title> {{ 7 * 7 }} onload="x()" """


class Elements(HTMLParser):
    """Counts elements, and keeps attributes and visible text."""

    void = ("meta", "img")

    def __init__(self, html):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = [], [], "", []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.void:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def page_of(text):
    table = Table(headers=(text, "n"), rows=((text, "1"),), numeric=(1,), caption=text)
    section = Section(
        heading=text,
        paragraphs=(text,),
        table=table,
        points=(text,),
        pictures=(Picture(b"\x89PNG", alt=text, caption=text),),
        note=text,
    )
    return Page(
        title=text, summary=text, sections=(section, section), versions={text: text}, seed=3
    )


def test_everything_given_is_on_the_page():
    elements = Elements(render_page(page_of("Name of a thing")))
    assert elements.open == []
    # Title twice, lead, two links; versions; and nine places in each of two sections.
    assert elements.text.count("Name of a thing") == 5 + 2 + 2 * 8
    assert "Random seed: 3." in elements.text
    assert "For research use only; not a medical device." in elements.text
    assert ("src", "data:image/png;base64,iVBORw==") in elements.attributes
    assert ("class", "number") in elements.attributes


def test_hostile_names_stay_text():
    plain, hostile = (Elements(render_page(page_of(text))) for text in ("name", HOSTILE))
    assert hostile.tags == plain.tags
    assert [name for name, _ in hostile.attributes] == [name for name, _ in plain.attributes]
    assert hostile.text.count(HOSTILE) == plain.text.count("name")


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="<>&\"'/=!-#{}% ab", min_size=1, max_size=30))
def test_no_text_changes_the_structure(text):
    assert Elements(render_page(page_of(text))).tags == Elements(render_page(page_of("x"))).tags


def test_the_page_refers_to_nothing_outside_itself():
    html = render_page(page_of("name"))
    assert not re.search(r"https?://|//\w|url\(|@import|<link|<script", html)
    assert all(link.startswith("data:") for link in re.findall(r'src="([^"]*)"', html))
    assert all(link.startswith("#") for link in re.findall(r'href="([^"]*)"', html))
    assert "default-src 'none'" in html


def test_every_page_says_what_the_maps_show_and_what_they_do_not():
    text = Elements(render_page(Page(title="Empty", summary="Nothing."))).text
    assert "What these maps show and what they do not" in text
    assert all(point in text for point in INTERPRETATION.points)
    assert "Made with" not in text
    assert "seed" not in text


def test_a_page_is_written_whole(tmp_path):
    path = write_page(page_of("Größe µm"), tmp_path / "new folder" / "report.html")
    assert path.read_text("utf-8") == render_page(page_of("Größe µm"))
    write_page(page_of("second"), path)
    assert "second" in path.read_text("utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_a_name_that_is_not_utf8_is_replaced(tmp_path):
    path = write_page(page_of("sub-\udce9"), tmp_path / "report.html")
    assert "sub-?" in path.read_text("utf-8")


def test_a_failed_write_leaves_the_old_page(tmp_path, monkeypatch):
    path = write_page(page_of("old"), tmp_path / "report.html")
    old = path.read_bytes()

    def fail(self, target):
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        write_page(page_of("new"), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_refuses_a_ragged_table():
    with pytest.raises(InputError, match="row of 1 under 2 headers"):
        Table(headers=("a", "b"), rows=(("1",),))
