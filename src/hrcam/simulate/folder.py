"""Write a simulated cohort as a folder: table, images, masks and manifest."""

import json
import logging
import shutil
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.claim import changes, claim_folder
from hrcam.artifacts.formats import encode_json, encode_tsv
from hrcam.artifacts.manifest import versions_of
from hrcam.cluster import Cluster
from hrcam.errors import InputError
from hrcam.simulate.bids_layout import bids_files, bids_paths, bids_table
from hrcam.simulate.cohort import SimulatedCohort
from hrcam.simulate.image_encoding import (
    SUFFIX,
    ImageFormat,
    encode_nifti,
    encode_png,
    is_complete,
)
from hrcam.simulate.images import simulate_subject
from hrcam.simulate.parallel import for_each_subject, on_cluster

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
TABLE = "participants.tsv"


def write_cohort(
    cohort: SimulatedCohort,
    out: str | Path,
    workers: int | None = None,
    *,
    image_format: ImageFormat | None = None,
    cluster: Cluster | None = None,
    progress: bool = True,
) -> Path:
    """Write a simulated cohort to a folder, resume an interrupted one, or extend one.

    The folder gets ``manifest.json`` (parameters, seed, versions, and that the images are
    simulated), ``images/``, ``masks/`` (of subjects with the pathology only), a folder for each
    further region of the cohort, and last ``participants.tsv`` with the columns participant_id,
    image, label, mask, group, split, then one for each region and each covariate. As BIDS, images
    are ``sub-X/anat/sub-X_T1w.nii.gz``, masks and regions lie in ``derivatives/masks``, and the
    table does not name them. All files are written atomically. A second call writes only missing or
    truncated files; with more subjects it adds them, and updates the table at the end. If the
    parameters are impossible, a new folder is left empty, and an existing one keeps its table and
    manifest. Do not write to one folder from several processes.

    Parameters
    ----------
    cohort : SimulatedCohort
        The parameters.
    out : str or Path
        The folder: new, empty, or of an earlier run with the same parameters and as many
        subjects or fewer.
    workers : int or None
        Number of processes; 1 stays in this one, None takes one for each core.
    image_format : {"png", "nifti", "bids"} or None
        8-bit PNG (2D only), gzipped NIfTI in MNI space, or a BIDS data set of the latter. None: PNG
        in 2D, NIfTI in 3D.
    cluster : Cluster or None
        Simulates the subjects instead of processes of this machine.
    progress : bool
        Show a progress bar, if standard error is a terminal.

    Returns
    -------
    Path
        The table, ``participants.tsv``.

    Raises
    ------
    InputError
        If the folder has other content, was made with other parameters or has more subjects, if
        volumes are asked for as PNG, or if a brain has no room for the pathology.
    MachineError
        If a subject kills the workers of the cluster.
    """
    chosen = image_format or ("png" if cohort.dimensions == 2 else "nifti")
    if chosen not in SUFFIX:
        raise InputError(f"image_format is {chosen!r}: use one of {', '.join(SUFFIX)}")
    if chosen == "png" and cohort.dimensions == 3:
        raise InputError("a PNG file cannot hold a volume: use image_format='nifti'")
    # Absolute: worker processes are used again, and keep the directory that they started in.
    folder = Path(out).absolute()
    before = _claim(folder, _manifest(cohort, chosen))
    if chosen != "bids":
        for name in ("images", "masks", *cohort.regions):
            (folder / name).mkdir(exist_ok=True)
    missing = [i for i in range(cohort.subjects) if not _is_written(cohort, i, folder, chosen)]
    logger.info("%d of %d subjects to simulate", len(missing), cohort.subjects)
    write = partial(_write_subject, folder=folder, image_format=chosen)
    try:
        if cluster is None:
            for _ in for_each_subject(write, cohort, missing, workers=workers, progress=progress):
                pass
        else:
            on_cluster(cluster, write, cohort, missing, progress=progress)
    except InputError:
        _give_back(folder, before)
        raise
    if chosen == "bids":
        for path, content in bids_files(cohort, MANIFEST):
            write_atomically(folder / path, content)
    write_atomically(folder / TABLE, _table(cohort, chosen))
    return Path(out) / TABLE


def _manifest(cohort: SimulatedCohort, image_format: ImageFormat) -> dict[str, Any]:
    spacing = cohort.spacing
    return {
        "description": cohort.description,
        "simulated": True,
        "kind": cohort.kind,
        "parameters": asdict(cohort),
        "image_format": image_format,
        "shape": cohort.shape,
        "voxel_size_mm": spacing[0] if len(set(spacing)) == 1 else spacing,
        "intensities": "0 to 1, mean 0.5 over the brain; PNG files hold them times 255",
        "versions": versions_of("hrcam", "numpy", "scipy", "nilearn", "nibabel", "pillow"),
    }


def _claim(folder: Path, manifest: dict[str, Any]) -> bytes | None:
    """Create the folder, or check that this manifest continues the existing one.

    Returns the manifest that was there; None if the folder was new or empty.
    """
    wanted = encode_json(manifest)
    before = claim_folder(folder, MANIFEST, wanted)
    if before is not None:
        _continue(folder / MANIFEST, before, json.loads(wanted))
    return before


def _give_back(folder: Path, before: bytes | None) -> None:
    """Undo the changes to the folder after impossible parameters."""
    if before is not None:  # keep the existing cohort
        write_atomically(folder / MANIFEST, before)
        return
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name == MANIFEST:
            entry.unlink()


def _continue(path: Path, content: bytes, wanted: dict[str, Any]) -> None:
    """Note in the manifest if the cohort is to grow; refuse what would change its subjects."""
    try:
        found = json.loads(content)
        before, count = _identity(found), int(found["parameters"]["subjects"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is not the manifest of a simulated cohort: choose another folder"
        ) from error
    now = _identity(wanted)
    if found.get("kind") != wanted["kind"]:
        raise InputError(
            f"{path.parent} is a cohort of simulated {found.get('kind')}, not {wanted['kind']}: "
            "choose another folder, or delete this one"
        )
    changed = changes(before, now)
    if changed:
        raise InputError(
            f"{path.parent} was made with other parameters ({changed}): choose another folder, "
            "or delete this one"
        )
    asked = wanted["parameters"]["subjects"]
    if asked < count:
        raise InputError(
            f"{path.parent} was made with {count} subjects, more than {asked}: ask for {count} or "
            "more, choose another folder, or delete this one"
        )
    if asked > count:
        # The versions stay those that made the first subjects.
        grown = {**found, "parameters": wanted["parameters"]}
        write_atomically(path, encode_json(grown))


def _identity(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return what determines a subject's files: parameters, format and version of this package.

    The number of subjects does not.
    """
    parameters = {k: v for k, v in manifest["parameters"].items() if k != "subjects"}
    return {
        **parameters,
        "image_format": manifest["image_format"],
        "hrcam version": manifest["versions"]["hrcam"],
    }


def _participant(index: int) -> str:
    return f"sub-{index + 1:05d}"


def _paths(cohort: SimulatedCohort, index: int, image_format: ImageFormat) -> dict[str, str]:
    """Return the paths of a subject's files within the folder, by column of the table."""
    if image_format == "bids":
        return bids_paths(cohort, index, _participant(index))
    name = _participant(index) + SUFFIX[image_format]
    paths = {"image": f"images/{name}"}
    if cohort.has_mask(index):
        paths["mask"] = f"masks/{name}"
    return paths | {region: f"{region}/{name}" for region in cohort.regions}


def _is_written(
    cohort: SimulatedCohort, index: int, folder: Path, image_format: ImageFormat
) -> bool:
    return all(
        is_complete(folder / path, cohort.shape, itemsize=2 if column == "image" else 1)
        for column, path in _paths(cohort, index, image_format).items()
    )


def _write_subject(
    cohort: SimulatedCohort, index: int, *, folder: Path, image_format: ImageFormat
) -> None:
    subject = simulate_subject(cohort, index)
    arrays = {"image": subject.image, "mask": subject.mask, **subject.regions}
    for column, path in _paths(cohort, index, image_format).items():
        array = arrays[column]
        png = image_format == "png"
        content = encode_png(array) if png else encode_nifti(array, subject.affine)
        write_atomically(folder / path, content)


def _table(cohort: SimulatedCohort, image_format: ImageFormat) -> bytes:
    if image_format == "bids":
        return bids_table(cohort, [_participant(i) for i in range(cohort.subjects)])
    fixed = ("participant_id", "image", "label", "mask", "group", "split")
    columns = [*fixed, *cohort.regions, *cohort.covariates]
    rows = []
    for i in range(cohort.subjects):
        name, label = _participant(i), cohort.labels[cohort.label(i)]
        row = {"participant_id": name, "label": label, "group": name, "split": cohort.split(i)}
        row |= _paths(cohort, i, image_format) | dict(cohort.covariates_of(i))
        rows.append([row.get(column) for column in columns])
    return encode_tsv(columns, rows)
