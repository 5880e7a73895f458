"""Folders of maps in a template space, with a difference between groups that is known."""

import json
from dataclasses import dataclass, field

import nibabel
import numpy as np
from scipy.ndimage import gaussian_filter

from hrcam.artifacts.scan_record import RECORD_FORMAT

SHAPE = (14, 12, 10)
AFFINE = np.array([[-3.0, 0, 0, 21], [0, 3, 0, -40], [0, 0, 3, -30], [0, 0, 0, 1]])
BLOB = (slice(3, 7), slice(4, 8), slice(2, 6))
MNI152 = 4


@dataclass
class Person:
    name: str
    label: str | None
    values: np.ndarray
    fold: tuple[int, ...] = (1,)
    seen: bool = False
    of_class: str = "patient"
    affine: np.ndarray = field(default_factory=lambda: AFFINE)
    code: int = MNI152
    space: str = ""
    scan: str = ""


def people(each=12, *, effect=0.0, seed=0):
    """Smooth noise of unit variance, with patients first; an effect in the blob of patients."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(2 * each):
        values = gaussian_filter(rng.normal(size=SHAPE), 1.0)
        values /= values.std()
        values[:2] = 0.0  # outside what the network saw
        label = "patient" if index < each else "control"
        if label == "patient":
            values[BLOB] += effect
        found.append(Person(f"sub-{index:02d}", label, values.astype(np.float32)))
    return found


def write_folder(folder, persons):
    for one in persons:
        home = folder / one.name / "anat"
        home.mkdir(parents=True, exist_ok=True)
        scan = one.scan or one.name
        stem = f"{scan}{one.space}_label-{one.of_class}"
        files = {"pattern": f"{stem}_desc-pattern_statmap.nii.gz"}
        if one.values.ndim == 2:
            files["pattern"] = files["pattern"].replace(".nii.gz", ".npy")
            np.save(home / files["pattern"], one.values)
        else:
            image = nibabel.Nifti1Image(one.values, one.affine)
            image.set_sform(one.affine, one.code)
            image.set_qform(one.affine, one.code)
            nibabel.save(image, home / files["pattern"])
        record = {
            "Format": RECORD_FORMAT,
            "Scan": scan,
            "Participant": one.name,
            "Label": one.label,
            "Class": one.of_class,
            "ClassIndex": 1,
            "PredictedClass": "patient",
            "Predictor": "network",
            "Probabilities": {"control": 0.3, "patient": 0.7},
            "Logit": 1.6,
            "Bias": 0.1,
            "LevelContributions": {"block": 1.5},
            "SourceFiles": ["/data/image.nii.gz"],
            "SourceBytes": 1,
            "SourceModified": 0.0,
            "VoxelHash": "0",
            "Grid": {"Shape": list(SHAPE), "Spacing": [3, 3, 3]},
            "Shape": list(one.values.shape),
            "Folds": list(one.fold),
            "SeenInTraining": one.seen,
            "Warnings": [],
            "Run": {},
            "Files": files,
            "Versions": {"hrcam": "0.1.0"},
        }
        (home / f"{stem}_statmap.json").write_text(json.dumps(record))
    return folder


def write_covariates(path, **columns):
    rows = ["\t".join(["participant_id", *columns])]
    values = list(columns.values())
    rows += [
        "\t".join([f"sub-{index:02d}", *(str(column[index]) for column in values)])
        for index in range(len(values[0]))
    ]
    path.write_text("\n".join(rows) + "\n")
    return path
