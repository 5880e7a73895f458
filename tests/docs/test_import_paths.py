"""Every import path that the documentation names leads somewhere."""

import importlib
import re
from pathlib import Path

import pytest
from doc_pages import DOCS, pages, read

_PATH = re.compile(
    r"(?<![\w./-])(?!hrcam\.(?:def|json|md|sif)\b)hrcam(?:\.[A-Za-z_]\w*)+(?![\w-]|\.[A-Za-z])"
)
_IMPORT = re.compile(r"from (hrcam[\w.]*) import ([\w, ]+)")


def _texts() -> dict[str, str]:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    return {"README": readme, **{page: read(page) for page in pages()}}


def paths() -> list[tuple[str, str]]:
    """Each path with a page that names it."""
    found: dict[str, str] = {}
    for page, text in _texts().items():
        for path in _PATH.findall(text):
            found.setdefault(path, page)
        for module, names in _IMPORT.findall(text):
            for name in names.split(","):
                found.setdefault(f"{module}.{name.strip()}", page)
    return sorted(found.items())


def resolve(path: str) -> object:
    """Import as much as is modules, and look the rest up in them."""
    module, *rest = path.split(".")
    value: object = importlib.import_module(module)
    for name in rest:
        module = f"{module}.{name}"
        try:
            value = getattr(value, name)
        except AttributeError:
            value = importlib.import_module(module)
    return value


@pytest.mark.parametrize(("path", "page"), paths())
def test_a_path_leads_somewhere(path, page):
    assert resolve(path) is not None, f"{page}: {path}"


def test_the_paths_are_found():
    found = dict(paths())
    assert {"hrcam.HRCAM", "hrcam.training.Run", "hrcam.cohort.open_cohort"} <= set(found)
    assert len(found) > 50
    assert (DOCS / "reference").is_dir()


def test_a_path_that_leads_nowhere_is_noticed():
    with pytest.raises(ModuleNotFoundError):
        resolve("hrcam.training.no_such_name")
