"""The manifest of a run: what tells it from others, its warnings, its software."""

import hashlib
import json
import platform
from collections.abc import Collection, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import FORMAT, encode_json, read_versioned

MANIFEST_FORMAT = 1
MANIFEST = "manifest.json"

_OF_THE_START = ("hardware", "gpu", "versions")


def write_manifest(path: Path, content: Mapping[str, Any]) -> None:
    """Write the manifest of a run, after which the run is complete."""
    write_atomically(path, encode_json({FORMAT: MANIFEST_FORMAT, **content}))


def read_manifest(path: Path) -> dict[str, Any]:
    """Read the manifest of a run, without its format version.

    Raises
    ------
    NewerFormatError
        If a newer version of hrcam has written it.
    InputError
        If it is missing or damaged.
    """
    return read_versioned(path, MANIFEST_FORMAT)


def run_identity(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tells a run from every other, also from an earlier one in the same folder.

    Parameters
    ----------
    manifest
        As from `read_manifest`.

    Returns
    -------
    dict
        ``Manifest``, the SHA-256 of what was trained, and ``Seed``. Versions and hardware do not
        count: a finished run that is started again has those of the second start.
    """
    trained = {key: value for key, value in manifest.items() if key not in _OF_THE_START}
    content = json.dumps(trained, sort_keys=True, default=str).encode()
    return {"Manifest": hashlib.sha256(content).hexdigest(), "Seed": manifest.get("seed")}


def fit_warnings(
    manifest: Mapping[str, Any], folds: Collection[int] | None = None
) -> dict[str, tuple[int, ...]]:
    """Return what HR-CAM's fit warned of, each text once.

    Parameters
    ----------
    manifest
        Content of ``manifest.json``; runs of before there were warnings in it have none.
    folds
        Folds that matter, counted from 1; None for all.

    Returns
    -------
    dict
        By text, the folds that it was said of.
    """
    found: dict[str, tuple[int, ...]] = {}
    for fold, details in enumerate(manifest.get("fold_details", ()), start=1):
        if folds is None or fold in folds:
            for text in dict.fromkeys(details.get("warnings", ())):
                found[text] = (*found.get(text, ()), fold)
    return found


def warning_lines(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the warnings of all folds as lines: "fold 1, 3: the CNN predicts class ..."."""
    several = len(manifest.get("fold_details", ())) > 1
    return tuple(
        f"fold {', '.join(map(str, folds))}: {text}" if several else text
        for text, folds in fit_warnings(manifest).items()
    )


def versions_of(*names: str) -> dict[str, str]:
    """Return the versions of Python and of installed packages, by name."""
    return {"python": platform.python_version(), **{name: version(name) for name in names}}
