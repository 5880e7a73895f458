"""A cohort of axial FLAIR slices, with lesions or without, of patients with multiple sclerosis.

    python examples/ms_slices.py DATA --out COHORT
    hrcam train COHORT --out RUN --folds 3 --validation 0

DATA has volumes/PATIENT_FLAIR.nii.gz, lesion_masks/PATIENT_lesions.nii.gz in the same voxels, and
slices.csv (id, z, lesion_pixels) with the slices to take. A slice with a few lesion pixels only is
neither the one nor the other, and left out. Slices of a patient are one group: no network is tested
on a patient that it has learnt from.
"""

import argparse
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image as Pillow

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import encode_tsv
from hrcam.errors import HRCAMError, InputError

LESION, WITHOUT, LEFT_OUT = "lesion", "without", "left out"
FEWEST = 20
"""Lesion pixels of a slice that counts as one with lesions."""
_MARGIN = 4
_WHITE = 65535

Box = tuple[slice, slice]


@dataclass(frozen=True)
class Patient:
    """One patient, from left to right, back to front and bottom to top.

    Attributes
    ----------
    flair
        Signal from 0, outside the brain, to 1, shape (X, Y, Z).
    lesions
        Where lesions are, shape (X, Y, Z).
    """

    flair: NDArray[np.float32]
    lesions: NDArray[np.bool_]


def write_slices(data: Path, out: Path) -> Counter[str]:
    """Write the cohort: pictures of 16 bits, masks as pictures, and last participants.tsv.

    All pictures have the size of the box that holds every brain, so that a place in one is the same
    place in all. Rows run from front to back, columns from the patient's right to the left.

    Parameters
    ----------
    data
        Folder of the volumes.
    out
        Folder for the cohort.

    Returns
    -------
    How many slices are of each label, and how many were left out.

    Raises
    ------
    InputError
        If a file is missing, a mask is on another grid, or slices.csv counts other lesion pixels.
    """
    wanted = _wanted(data)
    patients = {name: _read(data, name) for name in dict.fromkeys(wanted["id"])}
    for row in wanted.itertuples():
        _check_count(row.id, patients[row.id], row.z, row.lesion_pixels)
    box = _box(patients.values())
    counts: Counter[str] = Counter()
    rows = []
    for row in wanted.itertuples():
        label = _label(row.lesion_pixels)
        counts[label] += 1
        if label == LEFT_OUT:
            continue
        patient, name = patients[row.id], f"{row.id}z{row.z:03d}"
        image = f"images/{name}.png"
        mask = f"masks/{name}.png" if label == LESION else None
        grey = np.round(patient.flair[..., row.z] * _WHITE).astype(np.uint16)
        write_atomically(out / image, _png(grey[box]))
        if mask:
            write_atomically(out / mask, _png(np.uint8(255) * patient.lesions[..., row.z][box]))
        rows.append((name, image, mask, label, row.id, row.z))
    columns = ("participant_id", "image", "mask", "label", "group", "z")
    write_atomically(out / "participants.tsv", encode_tsv(columns, rows))
    return counts


def _wanted(data: Path) -> pd.DataFrame:
    path = data / "slices.csv"
    if not path.is_file():
        raise InputError(f"{path} is missing: give the folder that has it beside volumes")
    table = pd.read_csv(path, dtype={"id": "str"})
    missing = [name for name in ("id", "z", "lesion_pixels") if name not in table]
    if missing:
        raise InputError(f"{path} has no column {', '.join(missing)}")
    return table


def _read(data: Path, name: str) -> Patient:
    paths = (data / f"volumes/{name}_FLAIR.nii.gz", data / f"lesion_masks/{name}_lesions.nii.gz")
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path} is missing, and slices.csv asks for slices of {name}")
    flair, mask = (nibabel.as_closest_canonical(nibabel.load(path)) for path in paths)
    if flair.shape != mask.shape or not np.allclose(flair.affine, mask.affine, atol=1e-3):
        raise InputError(f"{name}: the lesion mask is not in the voxels of the FLAIR volume")
    # Interpolation has left values a little below 0 at the edge of the brain.
    signal = np.maximum(flair.get_fdata(dtype=np.float32), 0)
    if not signal.max() > 0:
        raise InputError(f"{name}: the FLAIR volume is empty")
    # The scale of FLAIR means nothing; that of a patient is the same in all slices.
    return Patient(signal / signal.max(), np.asarray(mask.dataobj) > 0)


def _check_count(name: str, patient: Patient, z: int, expected: int) -> None:
    """See that slices are counted along the axis, and from the end, that is meant."""
    depth = patient.lesions.shape[2]
    if not 0 <= z < depth:
        raise InputError(f"{name} has slices 0 to {depth - 1}, and slices.csv asks for {z}")
    found = np.count_nonzero(patient.lesions[..., z])
    if found != expected:
        raise InputError(
            f"{name}, slice {z}: the mask has {found} lesion pixels, and {expected} in slices.csv: "
            "they are not of the same data"
        )


def _label(lesion_pixels: int) -> str:
    if lesion_pixels >= FEWEST:
        return LESION
    return LEFT_OUT if lesion_pixels else WITHOUT


def _box(patients: Iterable[Patient]) -> Box:
    """Return the box, right to left and back to front, that holds every brain, with a margin."""
    brain = np.logical_or.reduce([patient.flair.any(axis=2) for patient in patients])
    ends = [np.flatnonzero(brain.any(axis=axis))[[0, -1]] for axis in (1, 0)]
    low, high = (slice(max(0, a - _MARGIN), b + 1 + _MARGIN) for a, b in ends)
    return low, high


def _png(plane: NDArray[np.uint16] | NDArray[np.uint8]) -> bytes:
    """Encode a plane (left to right, back to front) as a picture as radiologists see it."""
    buffer = io.BytesIO()
    rows = np.ascontiguousarray(plane[::-1, ::-1].T)
    Pillow.fromarray(rows).save(buffer, "PNG")
    return buffer.getvalue()


def in_words(counts: Mapping[str, int]) -> str:
    """Say how many slices there are."""
    return (
        f"{counts[LESION]} slices with lesions, {counts[WITHOUT]} without; left out with 1 to "
        f"{FEWEST - 1} lesion pixels: {counts[LEFT_OUT]}"
    )


def main() -> None:
    """Write the cohort."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("data", type=Path, help="folder with volumes, lesion_masks, slices.csv")
    parser.add_argument("--out", type=Path, required=True, help="folder for the cohort")
    arguments = parser.parse_args()
    try:
        print(in_words(write_slices(arguments.data, arguments.out)))
    except HRCAMError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
