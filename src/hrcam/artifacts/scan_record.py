"""The JSON file next to the maps of a scan: what they are, and what they were made from."""

import json
import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hrcam.artifacts.manifest import versions_of
from hrcam.artifacts.text import encode_json
from hrcam.cohort.image import Image
from hrcam.cohort.scan import Scan
from hrcam.mapping.ensemble import GridMaps

_OUTSIDE = "0 in voxels outside the network's grid, which it did not see"
MAPS = {
    "evidence": {
        "Description": "What the decision is made of. On the network's grid its mean plus Bias "
        "is Logit; brought to the voxels of the image it adds up to nearly that. " + _OUTSIDE,
        "Units": "logit",
        "Polarity": "positive speaks for Class, negative against it",
    },
    "pattern": {
        "Description": "Where the image is unlike images of the class that Class is compared with, "
        "and the decision depends on it: the map to look at; its size says where. " + _OUTSIDE,
        "Units": "standard deviations of those images, at the same place and anywhere, where the "
        "decision depends most on the image",
        "Polarity": "positive speaks for Class, negative against it",
    },
    "std": {
        "Description": "Standard deviation of the pattern over heads refitted on resampled "
        "subjects. " + _OUTSIDE,
        "Units": "standard deviations of the images that Class is compared with",
        "Polarity": "positive",
    },
}


def expected_fields(scan: Scan, run: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields by which a record is told to be of this scan and up to date."""
    sources = [path.absolute() for path in scan.images.values()]
    found = [status for source in sources for status in _statuses(source)]
    return {
        "Scan": scan.name,
        "Participant": scan.participant,
        "Label": scan.label,
        "Sources": [str(source) for source in sources],
        "SourceBytes": sum(one.st_size for one in found),
        # In seconds since 1970, of the newest; no date, as a clock may have been set to any.
        "SourceModified": max((one.st_mtime for one in found), default=None),
        "Run": dict(run),
    }


def _statuses(source: Path) -> list[os.stat_result]:
    """Of the file, or of all files of a DICOM series; what is unreadable is refused later."""
    try:
        files = source.iterdir() if source.is_dir() else [source]
        return [file.stat() for file in files]
    except (OSError, ValueError):
        return []


def encode_record(
    provenance: Mapping[str, Any],
    classes: tuple[str, ...],
    image: Image,
    maps: GridMaps,
    files: Mapping[str, str],
) -> bytes:
    """Encode the record of one scan's maps.

    Parameters
    ----------
    provenance
        The fields of `expected_fields`, and further ones on how the maps were made.
    classes
        Names, in the order of the class indices.
    image
        The scan.
    maps
        What the networks say of it.
    files
        Names next to the record, by kind: "evidence", "pattern", perhaps "std" and "overlay".
    """
    record = {
        **provenance,
        "Class": classes[maps.explained],
        "ClassIndex": maps.explained,
        "PredictedClass": classes[maps.predicted],
        "Predictor": maps.predictor,
        "Probabilities": dict(zip(classes, maps.probabilities.tolist(), strict=True)),
        "Logit": maps.logit,
        "Bias": maps.bias,
        "LevelContributions": maps.level_contributions,
        "Maps": {name: MAPS[name] for name in maps.maps},
        "Shape": list(image.shape),
        "Space": "orig",
        "Files": dict(files),
        "Versions": versions(),
    }
    return encode_json(record)


def read_record(path: Path) -> dict[str, Any]:
    """Read a record; an empty one where it is missing or damaged, which makes it out of date."""
    try:
        record = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


@cache
def versions() -> dict[str, str]:
    """Return versions of Python and of what computes and writes the maps."""
    return versions_of("hrcam", "torch", "numpy", "nibabel")
