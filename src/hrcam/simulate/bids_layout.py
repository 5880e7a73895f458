"""A simulated cohort as a BIDS data set; the true masks are a derivative in it."""

from collections.abc import Iterator
from typing import Any

from hrcam.artifacts.formats import encode_json, encode_tsv
from hrcam.artifacts.manifest import versions_of
from hrcam.simulate.cohort import SimulatedCohort

_VERSION = "1.11.1"
_MASKS = "derivatives/masks"
_COLUMNS = {
    "label": "Class of the simulated image",
    "split": "Whether a network may learn from the image: train or test",
    "age": "Age that was simulated, in years",
    "severity": "Share of the substantia nigra that was taken away",
    "location": "Where the simulated tumour lies",
    "site": "Whose look the image has",
}


def bids_paths(cohort: SimulatedCohort, index: int, name: str) -> dict[str, str]:
    """Return the paths of a subject's files within the folder, by what they hold."""
    paths = {"image": f"{name}/anat/{name}_T1w.nii.gz"}
    if cohort.has_mask(index):
        paths["mask"] = f"{_MASKS}/{name}/anat/{name}_label-pathology_mask.nii.gz"
    regions = {
        region: f"{_MASKS}/{name}/anat/{name}_seg-{region}_dseg.nii.gz" for region in cohort.regions
    }
    return paths | regions


def bids_table(cohort: SimulatedCohort, names: list[str]) -> bytes:
    """Encode ``participants.tsv``, with the name of every subject."""
    rows = [
        [name, cohort.labels[cohort.label(i)], cohort.split(i), *cohort.covariates_of(i).values()]
        for i, name in enumerate(names)
    ]
    return encode_tsv(["participant_id", *_described(cohort)], rows)


def bids_files(cohort: SimulatedCohort, manifest: str) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of what BIDS asks for besides images and table.

    Parameters
    ----------
    cohort
        The cohort.
    manifest
        Name of a file in the folder that BIDS knows nothing of.
    """
    text = f"{cohort.description} No patient was scanned."
    yield "README.md", f"# Simulated {cohort.kind}\n\n{text}\n".encode()
    yield ".bidsignore", f"/{manifest}\n".encode()
    yield "dataset_description.json", _description(f"Simulated {cohort.kind}", "raw")
    columns = {name: {"Description": about} for name, about in _described(cohort).items()}
    yield "participants.json", encode_json(columns)
    about_masks = {"Description": "Where it was put", "SpatialReference": "orig"}
    yield f"{_MASKS}/README.md", f"# True masks of simulated {cohort.kind}\n\n{text}\n".encode()
    yield (
        f"{_MASKS}/dataset_description.json",
        _description(f"True masks of simulated {cohort.kind}", "derivative"),
    )
    for suffix in ("label-pathology_mask", *(f"seg-{region}_dseg" for region in cohort.regions)):
        yield f"{_MASKS}/{suffix}.json", encode_json(about_masks)


def _described(cohort: SimulatedCohort) -> dict[str, str]:
    return {name: _COLUMNS[name] for name in ("label", "split", *cohort.covariates)}


def _description(name: str, dataset_type: str) -> bytes:
    made_by: dict[str, Any] = {"Name": "hrcam", "Version": versions_of("hrcam")["hrcam"]}
    return encode_json(
        {
            "Name": name,
            "BIDSVersion": _VERSION,
            "DatasetType": dataset_type,
            "GeneratedBy": [made_by],
        }
    )
