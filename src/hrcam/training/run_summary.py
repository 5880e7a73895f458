"""What a finished run reports: pooled predictions, metrics with intervals, manifest."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from hrcam.artifacts.manifest import MANIFEST, versions_of, write_manifest
from hrcam.artifacts.run_folder import fold_folder, read_fold, write_metrics
from hrcam.cohort.scan import Cohort
from hrcam.cohort.splits import Fold
from hrcam.training.config import Hardware, TrainingConfig
from hrcam.training.library_networks import LIBRARIES
from hrcam.training.tasks import Task

_LIBRARIES = ("hrcam", "torch", "monai", "lightning", "scikit-learn", "numpy", "nibabel", "pydicom")


def write_summary(
    folder: Path,
    cohort: Cohort,
    hashes: Mapping[str, str],
    config: TrainingConfig,
    network: str,
    hardware: Hardware,
    *,
    folds: Sequence[Fold],
    source: str,
    task: Task,
) -> dict[str, Any]:
    """Write ``predictions.tsv``, ``metrics.json`` and the manifest; return the metrics.

    ``source`` says on which scans the networks are scored.
    """
    repeats = [fold.repeat for fold in folds]
    metrics = task.metrics(folder, repeats=repeats, source=source, seed=config.seed)
    for who in ("network", "head"):
        for fold, scores in zip(folds, metrics[who]["folds"], strict=True):
            if fold.left_out:
                scores["left_out"] = fold.left_out
    write_metrics(folder, metrics)
    done = [read_fold(fold_folder(folder, fold)) for fold in range(1, len(repeats) + 1)]
    manifest = {
        **task.describe(),
        "folds": len(repeats),
        "repeats": max(repeats),
        "scans": len(cohort.scans),
        "reported": metrics["source"],
        "seed": config.seed,
        "inputs_sha256": _inputs_hash(cohort, hashes),
        "fold_details": done,
        "seconds": round(sum(one["seconds"] for one in done), 1),
        "hardware": hardware.model_dump(),
        "versions": versions_of(*_LIBRARIES, *_library_of(network)),
    }
    if torch.cuda.is_available():
        manifest["gpu"] = torch.cuda.get_device_name()
    write_manifest(folder / MANIFEST, manifest)
    return metrics


def _library_of(network: str) -> list[str]:
    """Return the library that a network is named after, if it is none of `_LIBRARIES`."""
    library = network.partition(":")[0]
    return [library] if library in LIBRARIES else []


def _inputs_hash(cohort: Cohort, hashes: Mapping[str, str]) -> str:
    """Return one hash of what was learnt from: every scan's name, label, group and voxels."""
    rows = sorted(
        "\t".join((scan.name, str(scan.label), scan.group, hashes[scan.name]))
        for scan in cohort.scans
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
