"""Whether maps are in one template space: the same grid, and a header or name that says which."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import nibabel
import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.map_file import read_map
from hrcam.errors import InputError
from hrcam.group.participants import Groups

HOW_TO = "see the page “Bring scans into a template space” of the documentation"
MNI = "MNI"
"""What the names of spaces begin with whose coordinates are those of the MNI atlas."""

# Codes of NIfTI: 1 is the scanner, 2 some other image.
_TEMPLATES = {3: "Talairach", 4: "MNI152"}
_SPACE = re.compile(r"_space-([A-Za-z0-9]+)")
# Affines in files have single precision.
_TOLERANCE = 1e-3


class TemplateSpace:
    """The common grid of maps.

    Attributes
    ----------
    name
        Of the template.
    shape
        Of the grid.
    affine
        From voxels to mm.
    """

    def __init__(self, name: str, shape: tuple[int, ...], affine: NDArray[np.float64]) -> None:
        self.name, self.shape, self.affine = name, shape, affine

    def image(self, values: NDArray[Any]) -> Any:
        """Return values on the grid as a NIfTI image."""
        image = cast(Any, nibabel).Nifti1Image(values, self.affine)
        code = next((code for code, name in _TEMPLATES.items() if name == self.name), 2)
        if self.name.startswith(MNI):
            code = 4
        image.set_sform(self.affine, code)
        image.set_qform(self.affine, code)
        image.header.set_xyzt_units("mm")
        return image


def template_space(groups: Groups, named: str | None = None) -> TemplateSpace:
    """Find the space of the maps of all participants.

    Parameters
    ----------
    groups
        The participants.
    named
        The template, where neither headers nor names tell it: whoever names it says that the scans
        were normalised to it.

    Raises
    ------
    InputError
        If the maps are pictures, their grids differ, or nothing says that they are in a template's
        space, as equal grids alone also come from one scanner protocol.
    """
    paths = [record.files["pattern"] for one in groups.participants for record in one.records]
    if any(not path.name.endswith((".nii", ".nii.gz")) for path in paths):
        raise InputError(
            "the maps are pictures, which have no template space: group statistics need volumes"
        )
    headers: list[Any] = [nibabel.load(path) for path in paths]
    first = headers[0]
    others = [
        path
        for path, one in zip(paths, headers, strict=True)
        if one.shape != first.shape or not np.allclose(one.affine, first.affine, atol=_TOLERANCE)
    ]
    if others:
        raise InputError(
            f"the maps are not on one grid: {len(others)} of {len(paths)} differ from the first, "
            f"as {others[0].name}; normalise the scans to a template and map them there: {HOW_TO}"
        )
    if first.ndim != 3:
        raise InputError(f"the maps have the shape {first.shape}: group statistics need volumes")
    found = named or _named_space(paths, headers)
    if found is None:
        raise InputError(
            "the maps are on one grid, but nothing says that this is a template's space: neither "
            "the form codes of their headers (3 or 4) nor space-NAME in their names. If the scans "
            f"were normalised to a template, say so with --space NAME; if not, {HOW_TO}"
        )
    return TemplateSpace(found, tuple(first.shape), np.asarray(first.affine, np.float64))


def _named_space(paths: Sequence[Path], headers: Sequence[Any]) -> str | None:
    """Return the template that all names, or else all headers, give; None if there is none."""
    names = Counter(match[1] if (match := _SPACE.search(path.name)) else "" for path in paths)
    if len(names) > 1:
        raise InputError(
            f"the maps are of several spaces: {', '.join(sorted(name or 'none' for name in names))}"
        )
    (name,) = names
    if name:
        return name
    codes = {int(one.header["sform_code"]) or int(one.header["qform_code"]) for one in headers}
    return _TEMPLATES.get(codes.pop()) if len(codes) == 1 else None


def mean_maps(groups: Groups) -> NDArray[np.float32]:
    """Return the mean map of each participant, shape (N, *grid).

    Raises
    ------
    InputError
        If a map cannot be read.
    """
    means = []
    for one in groups.participants:
        maps = [
            read_map(record.files["pattern"], record.scaling.get("pattern"))
            for record in one.records
        ]
        means.append(np.mean(maps, axis=0, dtype=np.float32))
    return np.stack(means)
