"""Versions of the software that made a result, for its manifest."""

import platform
from importlib.metadata import version


def versions_of(*names: str) -> dict[str, str]:
    """Return the versions of Python and of installed packages, by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
