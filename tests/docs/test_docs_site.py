"""The documentation as a site: built without a warning, complete, and without the network."""

import importlib
import inspect
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from doc_pages import DOCS
from test_docs import COMMANDS, LEAVES

from hrcam.cohort.problems import Reason

pytestmark = pytest.mark.xdist_group("docs-site")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("sphinx", reason="the documentation needs pip install '.[docs]'")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", str(DOCS), str(out),
         "-d", str(out / "doctrees"), "-D", "plot_gallery=0"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def inventory(site):
    from sphinx.util.inventory import InventoryFile

    found = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    return {kind: set(found.data[kind]) for kind in found.data}


def test_every_option_is_documented(inventory):
    for words in LEAVES:
        name = "-".join(["hrcam", *words])
        wanted = {f"{name}.{option}" for option in COMMANDS[words] if option.startswith("--")}
        assert wanted - {f"{name}.--help"} <= inventory["std:cmdoption"]


def test_every_reason_is_on_the_page_of_check(site):
    text = (site / "commands" / "check.html").read_text(encoding="utf-8")
    assert all(f'<span class="pre">{reason}</span></code>' in text for reason in Reason)


def test_every_public_name_is_in_the_reference(inventory):
    documented = set().union(*(names for kind, names in inventory.items() if kind[:3] == "py:"))
    modules = [
        module
        for page in (DOCS / "reference").glob("*.md")
        for module in re.findall(r"automodule:: (\S+)", page.read_text(encoding="utf-8"))
    ]
    assert len(modules) > 20
    for name in modules:
        module = importlib.import_module(name)
        members = getattr(module, "__all__", None) or [
            member
            for member, value in vars(module).items()
            if getattr(value, "__module__", None) == name and not member.startswith("_")
        ]
        values = {member: getattr(module, member) for member in members}
        public = [
            member
            for member, value in values.items()
            if inspect.isfunction(value) or inspect.isclass(value)
        ]
        missing = {f"{name}.{member}" for member in public} - documented
        assert not missing


class _Resources(HTMLParser):
    """Addresses that a browser loads by itself."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attrs):
        loads = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src"}
        self.found += [value for name, value in attrs if name == loads.get(tag) and value]


def test_pages_load_nothing_from_elsewhere(site):
    for page in site.rglob("*.html"):
        parser = _Resources()
        parser.feed(page.read_text(encoding="utf-8"))
        remote = [address for address in parser.found if re.match(r"(\w+:)?//", address)]
        assert parser.found
        assert not remote, page
    for style in site.rglob("*.css"):
        assert not re.findall(r"url\(['\"]?(?:https?:)?//", style.read_text(encoding="utf-8"))


def test_no_place_of_this_machine_is_in_the_site(site):
    places = {str(DOCS.parent), str(Path.home())} - {"/", "/root"}
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        assert not [place for place in places if place in text], page
