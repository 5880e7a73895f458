"""The plan of a training as YAML: a value on each line, with its reason beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import create_atomically
from hrcam.artifacts.formats import FORMAT, take_version
from hrcam.errors import InputError, require

require(__name__, "report", "yaml")

import yaml

PLAN = "plan.yaml"
PLAN_FORMAT = 1

_HEADER = """\
# Plan of a training with hrcam: each value, and why it was chosen.
# To train by another plan, edit a copy of this file and give it to a new run:
#   hrcam train COHORT --out RUN --plan FILE
# Lines that are left out are planned anew.
"""


@dataclass(frozen=True)
class PlanFile:
    """What a plan file says.

    Attributes
    ----------
    values
        By their names.
    lines
        Number of the line of each name, from 1.
    """

    values: Mapping[str, Any]
    lines: Mapping[str, int]


def encode_plan(values: Mapping[str, Any], reasons: Mapping[str, str]) -> bytes:
    """Encode values as YAML, with their reasons as comments."""
    lines = {name: f"{name}: {shown_value(value)}" for name, value in values.items()}
    width = max(map(len, lines.values()))
    body = [
        f"{line:<{width}}  # {reasons[name]}" if name in reasons else line
        for name, line in lines.items()
    ]
    return "\n".join([_HEADER, f"{FORMAT}: {PLAN_FORMAT}", *body, ""]).encode()


def write_plan_file(path: Path, values: Mapping[str, Any], reasons: Mapping[str, str]) -> None:
    """Write a new plan file, atomically; raises as `check_new_plan`."""
    if not create_atomically(path, encode_plan(values, reasons)):
        check_new_plan(path)


def check_new_plan(path: Path) -> None:
    """Raise InputError if a plan file exists: somebody may have edited it."""
    if path.exists():
        raise InputError(f"there is a file {path} already: choose another name, or delete it")


def read_plan_file(path: Path) -> PlanFile:
    """Read a plan file.

    Raises
    ------
    InputError
        If it is missing, is not valid YAML, holds no names with values, or one twice.
    NewerFormatError
        If a newer version of hrcam has written it.
    """
    if not path.is_file():
        raise InputError(f"there is no plan {path}: make one with `hrcam check COHORT --plan FILE`")
    try:
        text = path.read_text(encoding="utf-8-sig")
        node = yaml.compose(text, Loader=_Loader)
        content = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no text in UTF-8: save it so") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or "not readable"
        raise InputError(
            f"{path}{where}: not valid YAML ({reason}): write lines as 'epochs: 50'"
        ) from error
    if node is None:
        return PlanFile({}, {})
    if not isinstance(node, yaml.MappingNode):
        raise InputError(f"{path} holds no names with values: write lines as 'epochs: 50'")
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            raise InputError(
                f"{path}, line {line}: {name} is also on line {lines[name]}: leave out one of them"
            )
        lines[name] = line
    return PlanFile(take_version(content, path, PLAN_FORMAT), lines)


def shown_value(value: object) -> str:
    """Return a value as YAML writes it."""
    plain = list(value) if isinstance(value, tuple) else value
    text: str = yaml.safe_dump(plain, default_flow_style=True, width=2**20)
    return text.split("\n", 1)[0]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]  # PyYAML is not typed
    """YAML 1.1, which PyYAML reads, takes 1e-3 for text; here it is a number, as in YAML 1.2."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)
