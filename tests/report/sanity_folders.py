"""``sanity.json`` as `hrcam map` leaves it, for folders of maps that are made up."""

import json

import numpy as np

from hrcam.artifacts.check_results import (
    CHECKS,
    HRCAM_AUPRC,
    Check,
    CoarseMap,
    MapChecks,
)
from hrcam.sanity.limits import LIMITS

GOOD = {"randomisation": 0.12, "likeness": 0.33, "repeatability": 0.64, "noise": 0.99, "shift": 0.9}
BY_MASKS = {
    "randomisation": 0.12,
    "bounds": 0.2,
    "repeatability": 0.64,
    "noise": 0.99,
    "shift": 0.9,
}
COLUMNS = ("Image", "HR-CAM pattern", "CAM, 4 × 5 cells", "Network of fold 2", "Untrained network")


def map_checks(reasons=None, **changes):
    """Checks with the values of ``GOOD`` but for some; those with a reason are not measured.

    With a value of "bounds" they are of maps that were scored by masks.
    """
    reasons = reasons or {}
    good = BY_MASKS if "bounds" in changes or "bounds" in reasons else GOOD
    checks = tuple(
        Check(
            name,
            () if name in reasons else (value - 0.05, value + 0.05),
            LIMITS[name],
            reasons.get(name, ""),
            _details(name, value),
        )
        for name, value in (good | changes).items()
    )
    assert {check.name for check in checks} < set(CHECKS)
    cascade = () if "randomisation" in reasons else ((0.0, 0.9), (0.5, 0.4), (1.0, 0.12))
    return MapChecks(2, checks, cascade, CoarseMap("CAM", (4, 5), 0.45, 0.3))


def _details(name, value):
    if name == "bounds":
        return {HRCAM_AUPRC: 0.5, "a blob at the centre": 0.5 - value, "edges": 0.1}
    return {"the edges of the image": value, "nearness to the centre": 0.1}


def write_sanity(maps, checks=None, **changes):
    """Write the checks of a folder of maps that `report_folders.write_maps` has made."""
    record = json.loads(next(maps.glob("*/anat/*_statmap.json")).read_text())
    pictures = np.random.default_rng(0).normal(size=(2, len(COLUMNS), 20, 24)).astype(np.float32)
    np.save(maps / "sanity.npy", pictures)
    content = {
        "Run": record["Run"],
        "Fold": 3,
        "SeenInTraining": False,
        "OthersLearntFromThem": True,
        "Grid": [20, 24],
        "Limits": dict(LIMITS),
        **(checks or map_checks()).to_json(),
        "Pictures": {
            "File": "sanity.npy",
            "Columns": list(COLUMNS),
            "Rows": [{"Scan": "sub-001", "Class": "lesion"}, {"Scan": "b", "Class": "control"}],
            "Radiological": False,
            "Spacing": None,
        },
    }
    (maps / "sanity.json").write_text(json.dumps(content | changes))
    return maps
