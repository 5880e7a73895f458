"""What pyproject.toml says that the core and the extras install."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def normalised(requirement: str) -> str:
    """The name of a distribution in a requirement, as indices write it."""
    return re.split(r"[^\w.-]", requirement)[0].lower().replace("_", "-")


CORE = {normalised(one) for one in PROJECT["dependencies"]}


def brings(extra: str) -> set[str]:
    """The distributions of an extra, and of the extras that it takes in."""
    found = set()
    for requirement in PROJECT["optional-dependencies"][extra]:
        if inner := re.fullmatch(r"hrcam\[(.*)\]", requirement):
            found.update(*(brings(one) for one in inner[1].split(",")))
        else:
            found.add(normalised(requirement))
    return found
