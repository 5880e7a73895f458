"""What ``docs/files.md`` says of the files that other programs read."""

import csv
import json
import re
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs/files.md").read_text(encoding="utf-8")
DESCRIBED = {part for code in re.findall(r"`([^`\n]+)`", PAGE) for part in (code, *code.split("/"))}

# What is in these is named by a class, a level, a library, a scan or a part of the work.
_NAMED_BY_DATA = {
    *("versions", "Versions", "references", "per_class", "undefined", "seconds_by_part"),
    *("classes", "sites", "splits", "formats", "orientations", "classes_by_site", "intensities"),
    *("Probabilities", "LevelContributions", "Details", "DatasetLinks"),
}
# Of one's own: an explainer is read by HRCAM.load, parts and work are of a job that goes on.
_LEFT_OUT = {"explainer", "parts", "work", "cohorts", ".cache", ".failures", "figures"}


def undescribed(folder: Path, classes: tuple[str, ...]) -> list[str]:
    """Return the files, keys and columns of a folder that are not on the page."""
    missing = set()
    for path in folder.rglob("*"):
        if path.is_dir() or _LEFT_OUT & set(path.relative_to(folder).parts):
            continue
        name = re.sub(
            r"^sub-[^_]+(?:_ses-[^_]+)?_(label|seg)-[A-Za-z0-9]+", r"sub-X_\1-CLASS", path.name
        )
        name = re.sub(
            r"_desc-(evidence|pattern|std)_statmap\.(npy|png|nii\.gz)$",
            "_desc-KIND_statmap.nii.gz",
            name,
        )
        words = {name, *_words(path)}
        for one in classes:
            words = {re.sub(rf"^((head_)?probability_){one}$", r"\1CLASS", word) for word in words}
        missing |= {f"{path.name}: {word}" for word in words - DESCRIBED}
    return sorted(missing)


def _words(path: Path) -> set[str]:
    if path.suffix == ".json":
        return _keys(json.loads(path.read_text("utf-8")))
    if path.suffix in (".tsv", ".csv"):
        with path.open(newline="", encoding="utf-8") as stream:
            return set(next(csv.reader(stream, delimiter="\t" if path.suffix == ".tsv" else ",")))
    return set()


def _keys(content: object) -> set[str]:
    if isinstance(content, list):
        return {key for each in content for key in _keys(each)}
    if not isinstance(content, dict):
        return set()
    inside = [_keys(value) for key, value in content.items() if key not in _NAMED_BY_DATA]
    return set(content).union(*inside)
