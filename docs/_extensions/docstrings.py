"""Docstrings as Sphinx wants them.

Ours say ``(B, C, *spatial)``, have sentences under "Returns", describe two attributes at once and
use colons in those of properties; Sphinx would take these for emphasis and types.
"""

import itertools
import re
from collections.abc import Iterator
from typing import Any

from sphinx.application import Sphinx

_LITERAL = re.compile(r"(``.*?``)")
_STAR = re.compile(r"(?<![\w*\\])\*(?=\w+(?!\w|\*))")
_ITEM = re.compile(r"(?P<names>\w+(?:, \w+)*)(?: : (?P<type>.*))?")


def prepare(
    _app: Sphinx, kind: str, _name: str, _object: Any, _options: Any, lines: list[str]
) -> None:
    """Change the lines of one docstring in place, before napoleon reads its sections."""
    lines[:] = [_without_emphasis(line) for line in lines]
    changed: list[str] = []
    for heading, body in _sections(lines):
        if heading in ("Returns", "Yields"):
            changed += _field(body)
        elif heading in ("Parameters", "Attributes"):
            changed += [heading, "-" * len(heading), *_items(body)]
        else:
            changed += [*([heading, "-" * len(heading)] if heading else []), *body]
    if kind in ("property", "attribute", "data"):
        changed = ["..", "", *changed]  # an empty comment: no type comes first
    lines[:] = changed


def _without_emphasis(line: str) -> str:
    """Escape the asterisk of a shape, but not in literal text."""
    parts = _LITERAL.split(line)
    return "".join(part if part.startswith("``") else _STAR.sub(r"\\*", part) for part in parts)


def _sections(lines: list[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield each section's heading and lines; what comes first has no heading."""
    starts = [
        at
        for at, (one, next_) in enumerate(itertools.pairwise(lines))
        if one and re.fullmatch(r"-+", next_) and len(one) == len(next_)
    ]
    ends = [*starts, len(lines)]
    yield "", lines[: ends[0]]
    for start, end in zip(starts, ends[1:], strict=True):
        yield lines[start], lines[start + 2 : end]


def _field(body: list[str]) -> list[str]:
    """Make a field of what is returned: a sentence, or a type with its description below it."""
    while body and not body[-1].strip():
        body = body[:-1]
    if len(body) > 1 and body[1].startswith("    "):
        # Of plain types the annotation says as much.
        body = [f"{body[0]}:", *body[1:]] if "," in body[0] else body[1:]
    first, *rest = (line.removeprefix("    ") for line in body)
    return ["", f":returns: {first}", *(f"    {line}" for line in rest), ""]


def _items(body: list[str]) -> Iterator[str]:
    """Give each name its own item, and put the shape of an array in front of what it is."""
    starts = [at for at, line in enumerate(body) if line and not line.startswith(" ")]
    for start, end in zip(starts, [*starts[1:], len(body)], strict=True):
        found = _ITEM.fullmatch(body[start])
        if found is None:
            yield from body[start:end]
            continue
        described = [f"    {found['type']}:"] if "shape" in (found["type"] or "") else []
        for name in found["names"].split(", "):
            yield from (name, *described, *body[start + 1 : end])


def setup(app: Sphinx) -> dict[str, bool]:
    """Come before napoleon, which has the priority 500."""
    app.connect("autodoc-process-docstring", prepare, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
