"""What `hrcam map` left in its folder: a record per scan, and what failed."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hrcam.artifacts.run_folder import REFUSED_COLUMNS, Row
from hrcam.artifacts.text import optional_rows, read_object
from hrcam.errors import InputError

KINDS = ("pattern", "evidence")
FAILURES = "failures.tsv"


@dataclass(frozen=True)
class MapRecord:
    """The maps of one scan, as the JSON file next to them tells.

    Attributes
    ----------
    scan, participant
        Names.
    label
        The true class; None where it is not known.
    map_class
        The class whose maps these are.
    predicted
        The most probable class.
    predictor
        Whose prediction that is: "network", or "HR-CAM head" where the head has learnt the labels;
        "" where the record does not tell.
    probabilities
        Of each class, by name.
    level_contributions
        Mean evidence of each level, in logit units, by the level's name.
    sources
        The image of each channel.
    files
        "pattern" and "evidence": where the maps are.
    shape
        Spatial shape of the maps.
    seen_in_training
        Whether the networks were trained on this scan.
    warnings
        What the fit of these networks' heads warned of.
    run
        What tells the training run from others; empty where the record does not tell.
    versions
        Of the software that made them.
    """

    scan: str
    participant: str
    label: str | None
    map_class: str
    predicted: str
    predictor: str
    probabilities: Mapping[str, float]
    level_contributions: Mapping[str, float]
    sources: tuple[Path, ...]
    files: Mapping[str, Path]
    shape: tuple[int, ...]
    seen_in_training: bool
    warnings: tuple[str, ...]
    run: Mapping[str, Any]
    versions: Mapping[str, str]

    @property
    def outcome(self) -> str:
        """Whether the prediction is "correct" or "wrong"; "unlabelled" without a label."""
        if self.label is None:
            return "unlabelled"
        return "correct" if self.label == self.predicted else "wrong"

    @property
    def confidence(self) -> float:
        """Probability of the predicted class."""
        return self.probabilities[self.predicted]


@dataclass(frozen=True)
class MapsFolder:
    """Maps of a cohort.

    Attributes
    ----------
    folder
        Where they are.
    records
        One per scan, sorted by name.
    failures
        Rows of scans without maps, or with files that are damaged.
    """

    folder: Path
    records: tuple[MapRecord, ...]
    failures: tuple[Row, ...]

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, sorted."""
        return tuple(sorted({name for record in self.records for name in record.probabilities}))

    @property
    def predictors(self) -> tuple[str, ...]:
        """Who predicted, as far as the records tell: one, unless they are of several runs."""
        return tuple(sorted({record.predictor for record in self.records} - {""}))


def is_maps(folder: Path) -> bool:
    """Tell whether a folder is one of maps."""
    return (folder / "maps.tsv").exists() or next(folder.glob("*/*_hrcam.json"), None) is not None


def read_maps(folder: Path) -> MapsFolder:
    """Read the records of a folder of maps; the maps themselves are not opened.

    A damaged record becomes a failure, and the others stay.

    Raises
    ------
    InputError
        If there is no record that can be used.
    """
    records, damaged = [], []
    for path in sorted(folder.glob("*/*_hrcam.json")):
        try:
            records.append(_record(path))
        except InputError as error:
            message = str(error).replace(str(path), path.name)
            damaged.append(failure(path.stem, path.name, message))
    listed = optional_rows(folder / FAILURES, REFUSED_COLUMNS)
    if not records:
        raise InputError(
            f"{folder} has no maps that can be shown ({len(listed) + len(damaged)} failed): "
            "make them with `hrcam map`"
        )
    return MapsFolder(
        folder, tuple(sorted(records, key=lambda record: record.scan)), (*listed, *damaged)
    )


def failure(scan: str, file: str, message: str) -> Row:
    """Make a row for maps that cannot be shown."""
    advice = "Make the maps of this scan again."
    fields = (scan, file, "unreadable-map", message, advice)
    return dict(zip(REFUSED_COLUMNS, fields, strict=True))


def _record(path: Path) -> MapRecord:
    content = read_object(path)
    try:
        probabilities = _numbers(content["Probabilities"])
        record = MapRecord(
            scan=str(content["Scan"]),
            participant=str(content["Participant"]),
            label=None if content.get("Label") is None else str(content["Label"]),
            map_class=str(content["Class"]),
            predicted=str(content["PredictedClass"]),
            predictor=str(content.get("Predictor", "")),
            probabilities=probabilities,
            level_contributions=_numbers(content["LevelContributions"]),
            sources=tuple(Path(source) for source in content["Sources"]),
            files={kind: _beside(path, content["Files"][kind]) for kind in KINDS},
            shape=tuple(int(size) for size in content["Shape"]),
            seen_in_training=bool(content.get("SeenInTraining", False)),
            warnings=tuple(map(str, content.get("Warnings", ()))),
            run=dict(content.get("Run", {})),
            versions={str(k): str(v) for k, v in dict(content.get("Versions", {})).items()},
        )
    except KeyError as error:
        raise InputError(f"{path.name} says nothing of {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path.name} cannot be understood: {error}") from error
    if record.predicted not in probabilities or record.map_class not in probabilities:
        raise InputError(f"{path.name} gives no probability of its own class")
    return record


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    numbers = {str(name): float(value) for name, value in values.items()}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError(f"not finite: {json.dumps(numbers)}")
    return numbers


def _beside(path: Path, name: str) -> Path:
    """Only files next to the record: a record from elsewhere must not make us open others."""
    if Path(name).name != name:
        raise ValueError(f"{name!r} is not a file next to it")
    return path.parent / name


def software(records: Sequence[MapRecord]) -> dict[str, str]:
    """Versions that made the maps; several of one package are all named."""
    found: dict[str, set[str]] = {}
    for record in records:
        for name, version in record.versions.items():
            found.setdefault(name, set()).add(version)
    return {name: " and ".join(sorted(versions)) for name, versions in sorted(found.items())}
