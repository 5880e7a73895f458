"""Folders of a run and of its maps, written by the writers that train and map use."""

from pathlib import Path

import numpy as np

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.check_results import CHECKS, Check, CoarseMap, MapChecks
from hrcam.artifacts.control_table import CONTROLS, ControlRow, encode_controls
from hrcam.artifacts.distance_table import DISTANCES, encode_distances
from hrcam.artifacts.formats import encode_json
from hrcam.artifacts.manifest import MANIFEST, read_manifest, run_identity, write_manifest
from hrcam.artifacts.maps_folder import MapsWriter
from hrcam.artifacts.refusals import Refusal
from hrcam.artifacts.regions_table import Region, describe_regions, encode_regions
from hrcam.artifacts.run_folder import (
    begin_run,
    fold_folder,
    write_fold,
    write_inputs,
    write_metrics,
    write_pooled,
)
from hrcam.artifacts.run_tables import PREDICTIONS, Prediction, SplitRow, encode_predictions
from hrcam.artifacts.sanity_record import Examples, SanityInput, write_sanity
from hrcam.artifacts.scan_findings import MaskScores, ScanFindings
from hrcam.artifacts.scan_input import ScanInput
from hrcam.artifacts.scan_prediction import ClassPrediction
from hrcam.artifacts.scan_record import MapInput, ScanRecord, encode_record

CLASSES = ("control", "lesion")
CONFIG = {"network": "small", "shape": [8, 9], "weights": None, "seed": 7}
REFUSED = Refusal("sub-09", "a b.png", "empty", "it has 0 bytes", "copy it again")
CONTROL_ROW = ControlRow("sub-01", "p0", "lesion", 0.25, 2.5)
REGION = Region(1, 12, 12.0, (3, 4), None, -2.5, 1.25, 0.5, 0.75, 0.05)
SCANS = tuple(f"sub-{number:02d}" for number in range(1, 9))


def label_of(index):
    return CLASSES[index % 2]


def lesion_probability(index):
    return (0.2 + 0.5 * (index % 2) + index / 100, 0.4)[index == 3]


def splits():
    return [
        SplitRow(
            scan,
            f"p{index}",
            f"p{index}",
            label_of(index),
            "",
            (1 + index % 3 % 2,),
            (2,),
            f"{index}",
        )
        for index, scan in enumerate(SCANS)
    ]


def prediction(index):
    p = lesion_probability(index)
    predicted = CLASSES[p > 0.5]
    return Prediction(
        *(SCANS[index], f"p{index}", f"p{index}", label_of(index), predicted, None),
        *((1 - p, p), (0.9 - p, 0.1 + p)),
    )


def write_run(folder: Path) -> Path:
    """Write a run of two folds to the end."""
    begin_run(folder, CONFIG, splits())
    write_inputs(folder, {"shape": [8, 9]}, {"scans": len(SCANS)}, [REFUSED])
    for fold in (1, 2):
        tested = [index for index, row in enumerate(splits()) if fold in row.tested_by]
        table = encode_predictions([prediction(index) for index in tested], CLASSES)
        write_atomically(fold_folder(folder, fold) / PREDICTIONS, table)
        write_atomically(fold_folder(folder, fold) / CONTROLS, encode_controls([CONTROL_ROW]))
        distances = [(SCANS[index], f"p{index}", 1.5 + index) for index in tested]
        write_atomically(fold_folder(folder, fold) / DISTANCES, encode_distances(distances))
        write_fold(fold_folder(folder, fold), {"fidelity": 0.9, "warnings": []})
    write_pooled(folder, (1, 1))
    write_metrics(folder, {"classes": list(CLASSES), "network": {"pooled": {"auc": 0.9}}})
    manifest = {"classes": list(CLASSES), "folds": 2, "seed": 7, "fold_details": []}
    write_manifest(folder / MANIFEST, manifest)
    return folder


def source(run, index, image=None):
    identity = run_identity(read_manifest(run / MANIFEST))
    images = () if image is None else (image,)
    return MapInput.of(SCANS[index], f"p{index}", label_of(index), images, identity)


def record(place, made_from, index, **changes):
    p = lesion_probability(index)
    predicted = CLASSES[p > 0.5]
    files = {kind: place.map(predicted, kind, ".npy") for kind in ("evidence", "pattern")}
    content = {
        **vars(made_from),
        "voxel_hash": f"{index}",
        "folds": (1,),
        "seen_in_training": False,
        "warnings": ("R² is low",),
        "grid": (8, 9),
        "grid_spacing": None,
        "map_class": predicted,
        "class_index": CLASSES.index(predicted),
        "prediction": ClassPrediction(predicted, dict(zip(CLASSES, (1 - p, p), strict=True))),
        "predictor": "network",
        "logit": 1.6,
        "bias": 0.1,
        "level_contributions": {"block1": 0.25, "block2": 1.25},
        "shape": (8, 9),
        "files": files,
        "versions": {"hrcam": "0.1.0", "torch": "2.8.0"},
        "findings": ScanFindings(
            2, "pixels", 4.0, 1.5, 0.05, 19, scores=MaskScores(0.75, 0.6, 1, 1, 0)
        ),
        "input": ScanInput(((0, 8), (1, 9)), 8 / 9, None, None, 1.25, 1.5, 19),
    }
    return ScanRecord(**(content | changes))


def write_scan(writer, made_from, index, name=None):
    """Write the maps of a scan, which are not opened here, and its record; return that."""
    place = writer.place(name or SCANS[index])
    written = record(place, made_from, index)
    maps = dict.fromkeys(written.files.values(), b"a map")
    label = written.map_class
    maps[place.findings(label, ".tsv")] = encode_regions([REGION], label)
    maps[place.findings(label, ".json")] = encode_json(describe_regions("pixels"))
    writer.write(made_from.scan, {**maps, place.record(written.map_class): encode_record(written)})
    return written


def write_maps(folder: Path, run: Path) -> Path:
    """Write the maps of all scans, one failure, and the checks."""
    writer = MapsWriter(folder, run_identity(read_manifest(run / MANIFEST)))
    for index in range(len(SCANS)):
        write_scan(writer, source(run, index), index)
    writer.write_refused_rows([], SCANS)
    writer.write_failure(REFUSED)
    writer.write_tables(CLASSES)
    write_checks(folder, run)
    return folder


def checks():
    names = (name for name in CHECKS if name != "likeness")  # maps are scored by masks
    found = tuple(Check(name, (0.1, 0.9), 0.5, details={"x": 0.5}) for name in names)
    return MapChecks(2, found, ((0.0, 0.9), (1.0, 0.1)), CoarseMap("CAM", (2, 3), 0.4, 0.3))


def examples():
    pictures = np.random.default_rng(0).normal(size=(1, 2, 8, 9)).astype(np.float32)
    return Examples(("Image", "HR-CAM pattern"), (("sub-01", "lesion"),), pictures)


def checked(run, fold=1):
    identity = run_identity(read_manifest(run / MANIFEST))
    return SanityInput(identity, fold, (("sub-01", "0", "lesion"),), ((9, 1.5),), {"noise": 0.7})


def write_checks(folder, run):
    write_sanity(folder, checked(run), checks(), examples(), (8, 9), seen=False, others_learnt=True)
