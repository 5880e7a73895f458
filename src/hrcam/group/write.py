"""Files of a comparison: images of t, effect and p, the clusters, who was left out, and a page."""

import gzip
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import encode_json, encode_tsv
from hrcam.artifacts.manifest import versions_of
from hrcam.errors import InputError
from hrcam.group.clusters import COLUMNS
from hrcam.group.comparison import Comparison
from hrcam.group.page import group_page
from hrcam.group.permutation import FORMING
from hrcam.report.page.html import write_page

GROUP_FORMAT = 1
SUMMARY, PAGE, CLUSTERS, EXCLUDED = "group.json", "group.html", "clusters.tsv", "excluded.tsv"
IMAGES = {
    "t": "t of the group given the covariates; positive where the first group's maps are higher",
    "effect": "Hedges' g, from t; positive where the first group's maps are higher",
    "p_voxel": "p of the largest absolute t, two-sided, family-wise corrected; 1 outside the mask",
    "p_cluster": "p of the size of the voxel's cluster, two-sided, family-wise corrected; 1 "
    "outside clusters",
    "clusters": "number of the voxel's cluster, as in clusters.tsv",
    "mask": "1 where voxels were tested: the map is not 0 in a quarter of the participants",
}


def claim(out: Path) -> None:
    """See that a folder is new, empty, or of an earlier comparison.

    Raises
    ------
    InputError
        If it has other content.
    """
    if not out.is_dir():
        return
    if any(out.iterdir()) and not (out / SUMMARY).is_file():
        raise InputError(f"{out} holds something else than a comparison: choose another folder")


def write_comparison(found: Comparison, out: Path) -> None:
    """Write all files of a comparison; the summary is written last."""
    (out / SUMMARY).unlink(missing_ok=True)
    test = found.test
    images = {
        "t": test.t.astype(np.float32),
        "effect": test.effect.astype(np.float32),
        "p_voxel": test.voxel_p.astype(np.float32),
        "p_cluster": test.cluster_p.astype(np.float32),
        "clusters": test.clusters.astype(np.int16 if test.clusters.max() < 2**15 else np.int32),
        "mask": test.mask.astype(np.uint8),
    }
    for name, values in images.items():
        content = found.space.image(values).to_bytes()
        # Without the time, so that the same input gives the same file.
        write_atomically(out / f"{name}.nii.gz", gzip.compress(content, mtime=0))
    rows = [one.row() for one in found.clusters]
    write_atomically(out / CLUSTERS, encode_tsv(list(COLUMNS), rows))
    left_out = [(one.participant, one.scan, one.reason) for one in found.groups.excluded]
    write_atomically(out / EXCLUDED, encode_tsv(["participant", "scan", "reason"], left_out))
    versions = {"hrcam": version("hrcam")} | versions_of("nilearn", "nibabel", "numpy", "scipy")
    write_page(group_page(found, versions), out / PAGE)
    write_atomically(out / SUMMARY, encode_json(_summary(found, versions)))


def _summary(found: Comparison, versions: dict[str, str]) -> dict[str, Any]:
    groups, design = found.groups, found.design
    return {
        "format": GROUP_FORMAT,
        "class": groups.of_class,
        "groups": {name: groups.count(name) for name in groups.names},
        "left_out": len(groups.excluded),
        "covariates": list(found.covariates),
        "confounds": list(design.names),
        "degrees_of_freedom": design.degrees_of_freedom,
        "space": found.space.name,
        "voxels": int(found.test.mask.sum()),
        "permutations": found.permutations,
        "seed": found.seed,
        "smallest_p": 1 / found.permutations,
        "cluster_forming_p": FORMING,
        "images": IMAGES,
        "columns": COLUMNS,
        "versions": versions,
    }
