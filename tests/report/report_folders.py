"""Folders as `hrcam train` and `hrcam map` leave them, with small images."""

import csv
import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, axcodes2ornt, ornt_transform
from PIL import Image
from scipy.ndimage import gaussian_filter

from hrcam.artifacts.manifest import run_identity
from hrcam.artifacts.scan_record import RECORD_FORMAT
from hrcam.evaluation.prediction import score_predictions

CLASSES = ("control", "lesion")
VERSIONS = {"hrcam": "0.1.0", "torch": "2.8.0"}
OBLIQUE = nibabel.affines.from_matvec(
    [[0.0, 1.96, 0.4], [-2.0, 0.0, 0.0], [0.0, -0.4, 1.96]], [-20.0, 30.0, -25.0]
)
"""A volume whose first axis runs to posterior and second to the right, tilted; 2 mm."""


@dataclass
class Scan:
    name: str
    label: str | None
    probabilities: tuple[float, ...]
    image: np.ndarray
    maps: dict[str, np.ndarray]
    participant: str = ""
    of_class: str = ""
    affine: np.ndarray | None = None
    seen: bool = False
    found: np.ndarray | None = None
    mask: np.ndarray | None = None
    changes: dict = field(default_factory=dict)

    def predicted(self, classes):
        return classes[int(np.argmax(self.probabilities))]


def scans_of(images, labels, masks, *, affine=None, classes=CLASSES, seed=0):
    """Scans with blurred masks and noise for maps, of which every fourth is predicted wrong."""
    rng = np.random.default_rng(seed)
    scans = []
    for index, (image, label, mask) in enumerate(zip(images[:, 0], labels, masks, strict=True)):
        wrong = index % 4 == 3
        sign = 1 if bool(label) != wrong else -1
        spot = gaussian_filter(mask.astype(float), 1.5)
        noise = gaussian_filter(rng.normal(size=image.shape), 2.5) * 4
        sure = rng.uniform(0.55, 0.98)
        scans.append(
            Scan(
                f"sub-{index + 1:03d}",
                classes[int(label)],
                (1 - sure, sure) if sign > 0 else (sure, 1 - sure),
                image,
                {"pattern": 6 * spot + noise, "evidence": 30 * sign * (spot + 0.1) + 3 * noise},
                affine=affine,
            )
        )
    return scans


def heads(dimensions, subjects=12, size=48):
    """Images of textured ellipsoids, every second with a bright spot; labels; masks of spots."""
    rng = np.random.default_rng(dimensions)
    axes = np.meshgrid(*[np.linspace(-1, 1, size)] * dimensions, indexing="ij")
    radii = (0.7, 0.85, 0.75)[:dimensions]
    inside = sum((axis / radius) ** 2 for axis, radius in zip(axes, radii, strict=True)) < 1
    images, labels, masks = [], np.arange(subjects) % 2, []
    for label in labels:
        centre = rng.uniform(-0.4, 0.4, dimensions)
        spot = sum((axis - c) ** 2 for axis, c in zip(axes, centre, strict=True)) < 0.15**2
        texture = gaussian_filter(rng.normal(size=inside.shape), 1.5)
        image = inside * (0.55 + texture) + 0.3 * label * spot + 0.02 * rng.random(inside.shape)
        images.append(image.clip(0, 1)[None])
        masks.append(spot & bool(label))
    return np.array(images), labels, np.array(masks)


def simulated(dimensions, **changes):
    scans = scans_of(*heads(dimensions, **changes))
    return scans if dimensions == 2 else [_turned(scan) for scan in scans]


def _turned(scan):
    """The same anatomy, stored in the order of axes of ``OBLIQUE``."""
    codes = nibabel.aff2axcodes(OBLIQUE)
    turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes))
    maps = {kind: apply_orientation(values, turn) for kind, values in scan.maps.items()}
    return replace(scan, image=apply_orientation(scan.image, turn), maps=maps, affine=OBLIQUE)


def write_table(path, rows):
    columns = list(rows[0]) if rows else ["scan", "file", "reason", "message", "advice"]
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, columns, delimiter="\t", restval="n/a", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path, content):
    path.write_text(json.dumps(content, indent=2), "utf-8")


def _write_labels(path, labels, affine):
    if affine is None:
        Image.fromarray(labels.astype(np.uint16)).save(path)
    else:
        nibabel.save(nibabel.Nifti1Image(labels.astype(np.uint16), affine), path)


def write_maps(folder: Path, scans, classes=CLASSES, failures=(), run=None):
    """Write a folder of maps of a run, and its images in ``<folder>-images``."""
    made_by = {} if run is None else run_identity(json.loads((run / "manifest.json").read_text()))
    images = folder.with_name(folder.name + "-images")
    images.mkdir(parents=True)
    for index, scan in enumerate(scans):
        home = folder / f"sub-{index:03d}/anat"
        home.mkdir(parents=True)
        predicted = scan.predicted(classes)
        of_class = scan.of_class or predicted
        stem = f"sub-{index:03d}_label-{of_class}"
        if scan.affine is None:
            source = images / f"{index}.png"
            Image.fromarray((scan.image * 255).round().astype(np.uint8)).save(source)
        else:
            source = images / f"{index}.nii.gz"
            nibabel.save(nibabel.Nifti1Image(scan.image.astype(np.float32), scan.affine), source)
        files = {}
        for kind, values in scan.maps.items():
            suffix = ".npy" if scan.affine is None else ".nii.gz"
            files[kind] = f"{stem}_desc-{kind}_statmap{suffix}"
            values = values.astype(np.float32)
            if scan.affine is None:
                np.save(home / files[kind], values)
            else:
                nibabel.save(nibabel.Nifti1Image(values, scan.affine), home / files[kind])
        of_mask = {}
        if scan.found is not None:
            files["findings"] = f"{stem}_desc-findings_dseg{source.name[source.name.index('.') :]}"
            _write_labels(home / files["findings"], scan.found, scan.affine)
        if scan.mask is not None:
            mask = source.with_name(f"mask-{source.name}")
            _write_labels(mask, scan.mask, scan.affine)
            of_mask = {"Mask": str(mask), "MaskModified": mask.stat().st_mtime}
        means = {"block1": 0.25, "block2": -0.5, "block3": 1.75}
        content = {
            "Format": RECORD_FORMAT,
            "Scan": scan.name,
            "Participant": scan.participant or scan.name,
            "Label": scan.label,
            "Class": of_class,
            "ClassIndex": classes.index(of_class),
            "PredictedClass": predicted,
            "Predictor": "network",
            "Probabilities": dict(zip(classes, scan.probabilities, strict=True)),
            "Logit": 1.6,
            "Bias": 0.1,
            "LevelContributions": means,
            "SourceFiles": [str(source)],
            "SourceBytes": source.stat().st_size,
            "SourceModified": source.stat().st_mtime,
            "VoxelHash": "0",
            "Grid": {"Shape": list(scan.image.shape), "Spacing": None},
            "Shape": list(scan.image.shape),
            "Folds": [0],
            "SeenInTraining": scan.seen,
            "Warnings": [],
            "Run": made_by,
            "Files": files,
            "Versions": VERSIONS,
            **of_mask,
        }
        write_json(home / f"{stem}_statmap.json", content | scan.changes)
    write_table(folder / "maps.tsv", [{"scan": scan.name} for scan in scans])
    write_table(folder / "failures.tsv", list(failures))
    return folder


def write_run(folder: Path, scans, classes=CLASSES, folds=2, refused=()):
    """Write a folder of a finished training run."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    network = np.array([scan.probabilities for scan in scans])
    head = network + rng.uniform(0, 0.3, network.shape)
    head /= head.sum(1, keepdims=True)
    labels = np.array([classes.index(scan.label) for scan in scans])
    predictions, splits = [], []
    for index, scan in enumerate(scans):
        who = scan.participant or scan.name
        row = {
            "scan": scan.name,
            "participant": who,
            "label": scan.label,
            "fold": index // 2 % folds,
        }
        row["predicted"] = classes[network[index].argmax()]
        row |= {f"probability_{name}": network[index, k] for k, name in enumerate(classes)}
        row["head_predicted"] = classes[head[index].argmax()]
        row |= {f"head_probability_{name}": head[index, k] for k, name in enumerate(classes)}
        predictions.append(row)
        splits.append(
            {"scan": scan.name, "participant": who, "group": who, "label": scan.label,
             "split": "n/a", "fold": row["fold"], "validation_of": "n/a", "voxel_hash": "0"}
        )  # fmt: skip
    write_table(folder / "predictions.tsv", predictions)
    write_table(folder / "splits.tsv", splits)
    write_table(folder / "refused.tsv", list(refused))

    def scored(values):
        where = [np.arange(len(labels)) // 2 % folds == fold for fold in range(folds)]
        each = [_scores(labels[inside], values[inside], classes) for inside in where]
        mean = {name: _mean([one[name]["value"] for one in each]) for name in ("auc", "accuracy")}
        return {
            "pooled": _scores(labels, values, classes),
            "folds": each,
            "fold_mean": mean if folds > 1 else None,
        }

    difference = {"auc": {"value": 0.01, "low": -0.02, "high": 0.04}}
    metrics = {
        "source": "out-of-fold",
        "classes": list(classes),
        "positive_class": classes[-1] if len(classes) == 2 else None,
        "head_minus_network": difference,
    }
    write_json(
        folder / "metrics.json", metrics | {"network": scored(network), "head": scored(head)}
    )
    write_json(
        folder / "config.json",
        {"network": "small", "weights": None, "head": "logits", "folds": folds,
         "validation": 0.15, "epochs": 12, "batch_size": 16, "learning_rate": 0.002, "seed": 7},
    )  # fmt: skip
    write_json(
        folder / "preparation.json",
        {"dimensions": 2, "channels": ["image"], "shape": [48, 48], "spacing": None,
         "normalisation": "z-score"},
    )  # fmt: skip
    write_json(
        folder / "fingerprint.json",
        {"scans": len(scans), "channels": ["image"], "classes": {"lesion": 1},
         "classes_by_site": {"A": {"control": 4}, "B": {"lesion": 3}},
         "shape": {"minimum": [31, 40, 24], "median": [36, 50, 35], "maximum": [43, 59, 47],
                   "different": 9}},
    )  # fmt: skip
    details = [
        {
            "fidelity": 0.9 + fold / 100,
            "warnings": [],
            "references": {"control": "lesion", "lesion": "control"},
        }
        for fold in range(folds)
    ]
    write_json(
        folder / "manifest.json",
        {"versions": VERSIONS, "seed": 7, "inputs_sha256": "f00d", "fold_details": details},
    )
    return folder


def _mean(values):
    value = None if None in values else float(np.mean(values))
    return {"value": value, "low": None, "high": None}


def _scores(labels, values, classes):
    return score_predictions(labels, values, classes=classes, resamples=50).to_json()
