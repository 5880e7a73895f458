"""The map of the house in CONTRIBUTING.md has every room, and no room that is gone."""

import re
from pathlib import Path

import hrcam

_HOUSE = Path(hrcam.__file__).parent
_TEXT = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_room_has_its_line():
    described = re.findall(r"^\| `([a-z_]+(?:/|\.py))` \| \S", _TEXT, flags=re.MULTILINE)
    folders = {f"{each.parent.name}/" for each in _HOUSE.glob("*/*.py")}
    assert sorted(described) == sorted({*folders, *(each.name for each in _HOUSE.glob("*.py"))})


def test_every_file_that_it_names_is_there():
    named = re.findall(r"`((?!src/|docs/)[a-z_]+/[a-z_/]*(?:\.py)?)`", _TEXT)
    assert len(named) > 20
    assert not [name for name in named if not (_HOUSE / name).exists()]
