"""Repeatability over seeds, of the saved maps of the same subjects."""

import zipfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from hrcam.benchmark.layout import MAPS, MEASUREMENTS
from hrcam.benchmark.measurement import Measurement
from hrcam.benchmark.variant import Variant
from hrcam.errors import LoadError
from hrcam.sanity.stability import pairwise_agreement

_Maps = dict[str, dict[str, NDArray[np.float32]]]
"""By subject and name of the variant, (*spatial)."""


def repeatability_over_seeds(unit_folders: Sequence[Path]) -> list[Measurement]:
    """Compare the saved maps of several units of one cohort.

    Parameters
    ----------
    unit_folders
        Of units of the same cohort with different seeds, each with ``maps.npz`` (arrays
        ``subject/variant``, in one space) and ``measurements.csv``.

    Returns
    -------
    ``repeatability``: Spearman's rank correlation, the mean over all pairs of seeds with a map of
    the subject by the variant. Voxels that are zero in all maps of a subject lie outside the
    networks' grid and are excluded. Empty for a single unit.

    Raises
    ------
    LoadError
        If a file is missing or damaged, or the maps of a subject differ in shape.
    """
    units = [_read_maps(folder / MAPS) for folder in unit_folders]
    variants: dict[str, Variant] = {}
    for folder in unit_folders:
        variants |= _variants(folder / MEASUREMENTS)
    measurements = []
    for subject in dict.fromkeys(subject for unit in units for subject in unit):
        kept = [unit[subject] for unit in units if subject in unit]
        shapes = {values.shape for maps in kept for values in maps.values()}
        if len(shapes) > 1:
            raise LoadError(
                f"the maps of {subject} have the shapes {sorted(shapes)}: units can be compared "
                "if they are of the same cohort; measure those of another one in another folder"
            )
        seen = np.any([values != 0 for maps in kept for values in maps.values()], axis=0)
        for name in dict.fromkeys(name for maps in kept for name in maps):
            runs = [torch.from_numpy(maps[name])[None] for maps in kept if name in maps]
            if len(runs) > 1:
                agreement = pairwise_agreement(runs, torch.from_numpy(seen))
                variant = variants.get(name, Variant(name))
                value = float(agreement.spearman[0])
                measurements.append(Measurement(subject, variant, "repeatability", value))
    return measurements


def _read_maps(path: Path) -> _Maps:
    maps: _Maps = defaultdict(dict)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            for key in arrays.files:
                subject, _, name = key.partition("/")
                maps[subject][name] = arrays[key].astype(np.float32)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise LoadError(
            f"{path} holds no maps that can be read ({type(error).__name__}): delete the folder "
            "and run the benchmark again"
        ) from error
    return maps


def _variants(path: Path) -> dict[str, Variant]:
    """Return the variants of a unit, by name."""
    columns = ["method", "level", "fusion", "stage"]
    try:
        table = pd.read_csv(path, usecols=columns, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise LoadError(
            f"{path} is no table of measurements ({type(error).__name__}): delete the folder and "
            "run the benchmark again"
        ) from error
    found = [
        Variant.from_row(*row) for row in table.drop_duplicates()[columns].itertuples(index=False)
    ]
    return {variant.name: variant for variant in found}
