"""What makes a folder of maps a BIDS derivative: its description, its README, what BIDS ignores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hrcam.artifacts.atomic import write_atomically
from hrcam.artifacts.formats import BIDS_FORMAT, encode_json, encode_tsv, read_object
from hrcam.artifacts.manifest import versions_of
from hrcam.artifacts.map_names import (
    BIDSIGNORE,
    DESCRIPTION,
    DESCRIPTIONS,
    FAILURES,
    IGNORED,
    MAPS,
    README,
)
from hrcam.artifacts.scan_prediction import MAPS as KINDS
from hrcam.artifacts.scan_record import OBJECTS
from hrcam.artifacts.source_dataset import SourceDataset

MAPS_FORMAT = 2
_BIDS_VERSION = "1.11.1"
_TIMES = 5
_OVERLAY = "The pattern in colour over a picture, findings outlined, and the scale below."
_FINDINGS = "Regions of the pattern that stand out, numbered; 0 elsewhere."

_README = f"""# HR-CAM maps

Class activation maps of images in the space of each image, made by hrcam with a trained network.
They show what the network's decision rests on. They are for research, not for diagnosis.

| file | content |
|---|---|
| `…_label-CLASS_desc-KIND_statmap.nii.gz` | a map for a class; `{DESCRIPTIONS}` lists the kinds |
| `…_label-CLASS_statmap.json` | the sidecar of these maps: prediction, units, sources, software |
| `…_seg-CLASS_desc-findings_dseg.nii.gz` | findings: regions of the pattern, with a table |
| `{MAPS}` | one row for each scan and class |
| `{FAILURES}` | scans that have no maps, and why |
| `{DESCRIPTION}` | source data sets, authors, and the training that the maps are of |

This is a BIDS derivative. BIDS {_BIDS_VERSION} has no suffix for maps with a sign and no place for
tables of all scans: `{BIDSIGNORE}` lists them, and the validator checks all other files.
"""


def describe(
    run: Mapping[str, Any], sources: Sequence[SourceDataset], authors: Sequence[str]
) -> dict[str, Any]:
    """Return the content of ``dataset_description.json``.

    Parameters
    ----------
    run
        What tells the run from others.
    sources
        BIDS data sets that the images are from.
    authors
        Of the maps; if there are none, those of the sources.
    """
    named = authors or [name for source in sources for name in source.authors()]
    content = {
        "Name": "HR-CAM maps",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "Authors": list(dict.fromkeys(named)),
        "GeneratedBy": [{"Name": "hrcam", "Version": versions_of("hrcam")["hrcam"]}],
        "SourceDatasets": [source.source() for source in sources],
        "DatasetLinks": {source.link: source.root.as_uri() for source in sources},
    }
    told = {key: value for key, value in content.items() if value}
    return {**told, BIDS_FORMAT: MAPS_FORMAT, "Run": dict(run)}


def add_to_description(out: Path, description: Mapping[str, Any]) -> None:
    """Add the sources and authors of a further job to what the folder tells.

    Jobs that do so at the same moment repeat it until they find their own.
    """
    for _ in range(_TIMES):
        found = read_object(out / DESCRIPTION)
        content = {**found}
        for key in ("Authors", "SourceDatasets"):
            old, new = found.get(key, []), description.get(key, [])
            content |= {key: [*old, *(each for each in new if each not in old)]}
        content["DatasetLinks"] = {
            **found.get("DatasetLinks", {}),
            **description.get("DatasetLinks", {}),
        }
        content = {key: value for key, value in content.items() if value or key in found}
        if content == found:
            return
        write_atomically(out / DESCRIPTION, encode_json(content))


def write_dataset_files(out: Path) -> None:
    """Write the files that are the same of all maps, where they are missing."""
    kinds = {kind: about["Description"] for kind, about in KINDS.items()}
    kinds |= {"overlay": _OVERLAY, "findings": _FINDINGS, **OBJECTS}
    described = [(f"desc-{kind}", description) for kind, description in kinds.items()]
    contents = {
        README: _README.encode(),
        BIDSIGNORE: "".join(f"{pattern}\n" for pattern in IGNORED).encode(),
        DESCRIPTIONS: encode_tsv(("desc_id", "description"), described),
    }
    for name, content in contents.items():
        if not (out / name).exists():
            write_atomically(out / name, content)
