"""The JSON file next to the maps of a scan: what they are, and what they were made from."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

from hrcam.artifacts.formats import BIDS_FORMAT, encode_json, read_versioned
from hrcam.artifacts.manifest import versions_of
from hrcam.artifacts.map_file import DataType, Scaling
from hrcam.artifacts.scan_findings import ScanFindings
from hrcam.artifacts.scan_input import ScanInput
from hrcam.artifacts.scan_prediction import (
    MAPS,
    ClassPrediction,
    LabelsPrediction,
    ScanPrediction,
    ValuePrediction,
)
from hrcam.artifacts.source_dataset import bids_uris
from hrcam.errors import InputError, NewerFormatError

RECORD_FORMAT = 3

KINDS = ("pattern", "evidence")
"""The maps that are shown; the first is there of every scan."""

ALL_KINDS = (*KINDS, "std")
"""The maps that can be written."""

OBJECTS = {
    "pm": "The pattern as a DICOM Parametric Map.",
    "seg": "The findings as a DICOM Segmentation.",
    "sr": "The prediction, and the findings with their sizes, as a DICOM structured report.",
}
"""DICOM objects that can be written beside: each refers to those before it."""

NETWORK, HEAD = "network", "HR-CAM head"
"""Who can have predicted a class."""


@dataclass(frozen=True, kw_only=True)
class MapInput:
    """What maps are made from: they are up to date while none of it changes.

    Attributes
    ----------
    scan, participant
        Names.
    label
        The true class; None where it is not known.
    sources
        The image of each channel, by its absolute path; of a DICOM series the folder.
    source_bytes
        Size of all files together.
    source_modified
        When the newest was changed, in seconds since 1970; None where none can be read.
    run
        What tells the training run from others; empty where the record does not tell.
    mask
        Where the pathology is, by its absolute path; None without one.
    mask_modified
        When the mask was changed, in seconds since 1970; None where it cannot be read.
    """

    scan: str
    participant: str
    label: str | None
    sources: tuple[Path, ...]
    source_bytes: int
    source_modified: float | None
    run: Mapping[str, Any]
    mask: Path | None = None
    mask_modified: float | None = None

    @classmethod
    def of(
        cls,
        scan: str,
        participant: str,
        label: str | None,
        images: Sequence[Path],
        run: Mapping[str, Any],
        mask: Path | None = None,
    ) -> "MapInput":
        """Describe a scan by its images as they are on disk now."""
        sources = tuple(path.absolute() for path in images)
        found = [status for source in sources for status in _statuses(source)]
        of_mask = [] if mask is None else _statuses(mask)
        return cls(
            scan=scan,
            participant=participant,
            label=label,
            sources=sources,
            source_bytes=sum(one.st_size for one in found),
            source_modified=max((one.st_mtime for one in found), default=None),
            run=dict(run),
            mask=None if mask is None else mask.absolute(),
            mask_modified=max((one.st_mtime for one in of_mask), default=None),
        )


@dataclass(frozen=True)
class Form:
    """How maps are written.

    Attributes
    ----------
    kinds
        Which of `ALL_KINDS` were asked for; a run may lack the last.
    data_type
        Of their values.
    dicom
        Whether images that are DICOM get DICOM objects of their maps as well.
    """

    kinds: tuple[str, ...] = ALL_KINDS
    data_type: DataType = "int16"
    dicom: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be written."""
        unknown = [kind for kind in self.kinds if kind not in ALL_KINDS]
        if unknown or KINDS[0] not in self.kinds:
            raise InputError(
                f"the maps are {', '.join(self.kinds) or 'none'}: they are some of "
                f"{', '.join(ALL_KINDS)}, always with {KINDS[0]}"
            )
        if self.data_type not in get_args(DataType):
            raise InputError(
                f"the data type is {self.data_type!r}: it is {' or '.join(get_args(DataType))}"
            )

    def contains(self, other: "Form") -> bool:
        """Tell whether maps of this form have all that another asks for; floats have all digits."""
        digits = self.data_type == "float32" or other.data_type == self.data_type
        objects = self.dicom or not other.dicom
        return digits and objects and set(other.kinds) <= set(self.kinds)


@dataclass(frozen=True, kw_only=True)
class ScanRecord(MapInput):
    """The maps of one scan for one class, and what they were made from.

    Attributes
    ----------
    voxel_hash
        Of the images.
    folds
        Whose networks made the maps, counted from 1.
    seen_in_training
        Whether these networks were trained on this scan.
    warnings
        What the fit of their heads warned of.
    grid, grid_spacing
        Shape of the network's grid, and its spacing in mm; None for pictures.
    map_class, class_index
        The class whose maps these are, and its place among the classes; of a regression the name
        of the value, and 0.
    prediction
        What was predicted.
    predictor
        Whose prediction that is: `NETWORK`, or `HEAD` where the head has learnt the labels; ""
        where the record does not tell.
    logit, bias
        Of the class, by HR-CAM's heads; the mean of the evidence plus the bias is the logit. Of a
        regression they are in units of the value.
    level_contributions
        Mean evidence of each level, in the units of the evidence, by the level's name.
    shape
        Spatial shape of the maps.
    files
        Where the files next to the record are: "pattern", perhaps "evidence", "std" and "overlay",
        those of `OBJECTS`, "findings", a label image, and "regions", its table.
    form
        What was asked for.
    scaling
        Of each map in whole numbers, by its kind.
    reference
        The class that others are compared with: where it is predicted, the map is of the most
        probable other class unless a class was asked for. None where there is none.
    primary
        Whether these maps stand for the scan, as those of the class that was asked for or chosen
        do; False for those of further classes.
    findings
        What was found in the pattern; None where the record does not tell.
    input
        What the networks saw of the scan, and whether they know such scans; None where the record
        does not tell.
    versions
        Of the software that made them.
    """

    voxel_hash: str
    folds: tuple[int, ...]
    seen_in_training: bool
    warnings: tuple[str, ...]
    grid: tuple[int, ...]
    grid_spacing: tuple[float, ...] | None
    map_class: str
    class_index: int
    prediction: ScanPrediction
    predictor: str
    logit: float
    bias: float
    level_contributions: Mapping[str, float]
    shape: tuple[int, ...]
    files: Mapping[str, Path]
    versions: Mapping[str, str]
    form: Form = Form(data_type="float32")
    scaling: Mapping[str, Scaling] = field(default_factory=dict)
    reference: str | None = None
    primary: bool = True
    findings: ScanFindings | None = None
    input: ScanInput | None = None

    @property
    def maps(self) -> dict[str, Path]:
        """Where those of `KINDS` are that were written."""
        return {kind: self.files[kind] for kind in KINDS if kind in self.files}

    @property
    def outcome(self) -> str:
        """As `ScanPrediction.outcome`."""
        return self.prediction.outcome(self.label)

    @property
    def stratum(self) -> str | None:
        """As `ScanPrediction.stratum`."""
        return self.prediction.stratum(self.label)

    def has(self, form: Form) -> bool:
        """Tell whether it has findings, where there are classes, and all maps of a form."""
        complete = self.findings is not None or not self.prediction.exclusive
        return complete and self.form.contains(form)

    def made_from(self, images: MapInput) -> bool:
        """Tell whether these are the files that were mapped, unchanged since: size and time."""
        now = (images.source_bytes, images.source_modified)
        return now == (self.source_bytes, self.source_modified)

    def is_current(self, now: MapInput) -> bool:
        """Tell whether the maps are there and were made from this."""
        same = all(
            getattr(self, field.name) == getattr(now, field.name) for field in fields(MapInput)
        )
        return same and all(path.is_file() for path in self.files.values())


def encode_record(record: ScanRecord) -> bytes:
    """Encode the record of one scan's maps."""
    content = {
        BIDS_FORMAT: RECORD_FORMAT,
        "Scan": record.scan,
        "Participant": record.participant,
        "Label": record.label,
        "Sources": bids_uris(record.sources),
        "SourceFiles": [str(source) for source in record.sources],
        "SourceBytes": record.source_bytes,
        "SourceModified": record.source_modified,
        "Mask": None if record.mask is None else str(record.mask),
        "MaskModified": record.mask_modified,
        "Run": dict(record.run),
        "VoxelHash": record.voxel_hash,
        "Folds": list(record.folds),
        "SeenInTraining": record.seen_in_training,
        "Warnings": list(record.warnings),
        "Grid": {"Shape": record.grid, "Spacing": record.grid_spacing},
        "Class": record.map_class,
        "ReferenceClass": record.reference,
        "ClassIndex": record.class_index,
        "Primary": record.primary,
        "Predictor": record.predictor,
        **record.prediction.to_json(),
        record.prediction.logit_key: record.logit,
        "Bias": record.bias,
        "LevelContributions": dict(record.level_contributions),
        "Maps": {kind: _map_content(record, kind) for kind in record.files if kind in MAPS},
        "Findings": None if record.findings is None else record.findings.to_json(),
        "Input": None if record.input is None else record.input.to_json(),
        "Asked": {
            "Maps": list(record.form.kinds),
            "DataType": record.form.data_type,
            "DICOM": record.form.dicom,
        },
        "Shape": list(record.shape),
        "SpatialReference": "orig",
        "Files": {kind: path.name for kind, path in record.files.items()},
        "Versions": dict(record.versions),
    }
    return encode_json(content)


def _map_content(record: ScanRecord, kind: str) -> dict[str, Any]:
    scaling = record.scaling.get(kind)
    return {
        **record.prediction.describe(kind),
        "DataType": "float32" if scaling is None else "int16",
        **({} if scaling is None else {"Scaling": scaling.to_json()}),
    }


def read_record(path: Path) -> ScanRecord:
    """Read a record.

    Raises
    ------
    NewerFormatError
        If a newer version of hrcam has written it.
    InputError
        If it is missing or damaged.
    """
    content = read_versioned(path, RECORD_FORMAT, oldest=RECORD_FORMAT)
    try:
        modified, spacing = content["SourceModified"], content["Grid"]["Spacing"]
        masked, found = content.get("MaskModified"), content.get("Findings")
        seen = content.get("Input")
        prediction = _prediction(content)
        record = ScanRecord(
            scan=str(content["Scan"]),
            participant=str(content["Participant"]),
            label=_text(content.get("Label")),
            sources=tuple(Path(source) for source in content["SourceFiles"]),
            source_bytes=int(content["SourceBytes"]),
            source_modified=None if modified is None else float(modified),
            run=dict(content.get("Run", {})),
            voxel_hash=str(content["VoxelHash"]),
            folds=tuple(map(int, content["Folds"])),
            seen_in_training=bool(content.get("SeenInTraining", False)),
            warnings=tuple(map(str, content.get("Warnings", ()))),
            grid=tuple(map(int, content["Grid"]["Shape"])),
            grid_spacing=None if spacing is None else tuple(map(float, spacing)),
            map_class=str(content["Class"]),
            class_index=int(content["ClassIndex"]),
            prediction=prediction,
            predictor=str(content.get("Predictor", "")),
            logit=float(content[prediction.logit_key]),
            bias=float(content["Bias"]),
            level_contributions=_numbers(content["LevelContributions"]),
            shape=tuple(int(size) for size in content["Shape"]),
            files=_files(path, content["Files"]),
            versions={str(k): str(v) for k, v in dict(content.get("Versions", {})).items()},
            form=_form(content.get("Asked")),
            scaling={
                str(kind): Scaling.from_json(about["Scaling"])
                for kind, about in dict(content.get("Maps", {})).items()
                if "Scaling" in about
            },
            reference=_text(content.get("ReferenceClass")),
            primary=bool(content.get("Primary", True)),
            mask=None if content.get("Mask") is None else Path(content["Mask"]),
            mask_modified=None if masked is None else float(masked),
            findings=None if found is None else ScanFindings.from_json(found),
            input=None if seen is None else ScanInput.from_json(seen),
        )
    except KeyError as error:
        raise InputError(f"{path.name} says nothing of {error}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path.name} cannot be understood: {error}") from error
    known = record.prediction.outputs
    if record.map_class not in known or record.prediction.chosen(None) not in known:
        raise InputError(f"{path.name} gives no probability of its own class")
    return record


def usable_record(path: Path) -> ScanRecord | None:
    """Read a record; None where it is missing or damaged, so that the maps are made again.

    Raises
    ------
    NewerFormatError
        If a newer version of hrcam has written it.
    """
    try:
        return read_record(path)
    except NewerFormatError:
        raise
    except InputError:
        return None


def mapped_sources(path: Path) -> tuple[Path, ...] | None:
    """Read which images a record is of, and nothing else; None where it does not tell.

    Raises
    ------
    NewerFormatError
        If a newer version of hrcam has written it.
    """
    try:
        return tuple(map(Path, read_versioned(path, RECORD_FORMAT)["SourceFiles"]))
    except NewerFormatError:
        raise
    except (InputError, KeyError, TypeError):
        return None


@cache
def map_versions() -> dict[str, str]:
    """Return versions of Python and of what computes and writes the maps."""
    return versions_of("hrcam", "torch", "numpy", "nibabel")


def _statuses(source: Path) -> list[os.stat_result]:
    """Of the file, or of all files of a DICOM series; what is unreadable is refused later."""
    try:
        files = source.iterdir() if source.is_dir() else [source]
        return [file.stat() for file in files]
    except (OSError, ValueError):
        return []


def _form(content: Mapping[str, Any] | None) -> Form:
    """Without an entry, all maps were written, in single precision."""
    if content is None:
        return Form(data_type="float32")
    return Form(
        tuple(map(str, content["Maps"])),
        cast(DataType, content["DataType"]),
        bool(content.get("DICOM", False)),
    )


def _prediction(content: Mapping[str, Any]) -> ScanPrediction:
    if "Target" in content:
        return ValuePrediction.from_json(content)
    numbers = _numbers(content["Probabilities"])
    if "PredictedLabels" in content:
        return LabelsPrediction(numbers)
    return ClassPrediction.from_json(content, numbers)


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    numbers = {str(name): float(value) for name, value in values.items()}
    if not all(map(math.isfinite, numbers.values())):
        raise ValueError(f"not finite: {json.dumps(numbers)}")
    return numbers


def _files(record: Path, names: Mapping[str, Any]) -> dict[str, Path]:
    """Only files next to the record: a record from elsewhere must not make us open others."""
    if KINDS[0] not in names:
        raise KeyError(KINDS[0])
    for name in names.values():
        if "/" in name or "\\" in name:
            raise ValueError(f"{name!r} is not a file next to it")
    folder = record.parent
    return {str(kind): folder / name for kind, name in names.items()}
