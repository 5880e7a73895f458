"""The BIDS data set that an image is from: its BIDS URI, and what a derivative says of the set."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from hrcam.artifacts.formats import read_object
from hrcam.artifacts.map_names import DESCRIPTION
from hrcam.errors import InputError


@dataclass(frozen=True, order=True)
class SourceDataset:
    """A BIDS data set.

    Attributes
    ----------
    root
        Folder with its ``dataset_description.json``.
    """

    root: Path

    @property
    def link(self) -> str:
        """Name of the data set in BIDS URIs: that of its folder, and digits for the whole path."""
        digest = hashlib.sha256(str(self.root).encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return re.sub(r"[^A-Za-z0-9]", "", self.root.name) + digest

    def uri(self, path: Path) -> str:
        """Return the BIDS URI of a file in it."""
        return f"bids:{self.link}:{quote(path.relative_to(self.root).as_posix())}"

    def authors(self) -> tuple[str, ...]:
        """Return its authors, as far as its description tells."""
        found = self._description().get("Authors")
        return tuple(map(str, found)) if isinstance(found, list) else ()

    def source(self) -> dict[str, str]:
        """Return its entry among ``SourceDatasets``."""
        doi = self._description().get("DatasetDOI")
        return {"URL": self.root.as_uri()} | ({"DOI": doi} if isinstance(doi, str) else {})

    def _description(self) -> dict[str, Any]:
        try:
            return read_object(self.root / DESCRIPTION)
        except InputError:
            return {}


def dataset_of(folder: Path) -> SourceDataset | None:
    """Return the innermost BIDS data set that a folder lies in; None if it lies in none."""
    around = (each for each in (folder, *folder.parents) if (each / DESCRIPTION).is_file())
    root = next(around, None)
    return None if root is None else SourceDataset(root)


def datasets_of(images: Iterable[Path]) -> list[SourceDataset]:
    """Return the BIDS data sets that images lie in, sorted."""
    found = map(dataset_of, {image.absolute().parent for image in images})
    return sorted({dataset for dataset in found if dataset is not None})


def bids_uris(images: Iterable[Path]) -> list[str]:
    """Return BIDS URIs of images, by absolute path; of those that lie in no data set none."""
    placed = ((image, dataset_of(image.parent)) for image in images)
    return [dataset.uri(image) for image, dataset in placed if dataset is not None]
