"""The findings of one scan: its regions, in the voxels of the image, and their files."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hrcam.artifacts.formats import encode_json
from hrcam.artifacts.map_names import ScanPlace
from hrcam.artifacts.regions_table import describe_regions, encode_regions
from hrcam.artifacts.scan_findings import MaskScores, ScanFindings
from hrcam.artifacts.source_dataset import bids_uris
from hrcam.cohort.problems import ImageError
from hrcam.cohort.reading import read_mask
from hrcam.cohort.scan import Scan
from hrcam.evaluation.finding_scores import score_findings
from hrcam.findings import ControlScores, Findings, find_regions
from hrcam.findings.controls import FEWEST
from hrcam.findings.find import CELLS
from hrcam.mapping.encoding import encode_labels, suffix_of
from hrcam.mapping.ensemble import GridMaps
from hrcam.preparation.prepared_scan import PreparedScan
from hrcam.training.run import Run

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FoundInScan:
    """Findings of one scan.

    Attributes
    ----------
    findings
        As `hrcam.findings.find_regions` returns them.
    about
        What its record says of them.
    """

    findings: Findings
    about: ScanFindings


def find_in_scan(
    run: Run,
    scan: Scan,
    reading: PreparedScan,
    maps: GridMaps,
    native: Mapping[str, NDArray[np.float32]],
) -> FoundInScan:
    """Find the regions of a scan's pattern, and score them if there is a mask.

    Parameters
    ----------
    run
        Its control images are compared with.
    scan, reading
        The scan.
    maps
        Its explanation.
    native
        "pattern", and perhaps "evidence" and "std", in the voxels of the image.
    """
    map_class = run.classes[maps.explained]
    controls = run.controls_for(scan, reading.voxel_hash, map_class)
    place = None if run.reference is None else run.classes.index(run.reference)
    found = find_regions(
        native["pattern"],
        affine=reading.space.index_to_mm,
        std=native.get("std"),
        evidence=native.get("evidence"),
        smallest=_smallest(run),
        probability=1.0 if place is None else float(1 - maps.outputs[place]),
        controls=controls,
    )
    about = ScanFindings(
        regions=len(found.regions),
        unit=found.unit,
        smallest=found.smallest,
        score=found.score,
        control_share=found.control_share,
        controls=found.controls,
        comparison="" if found.controls else _why_none(run, map_class, controls),
        scores=_scores(scan, reading, found),
    )
    return FoundInScan(found, about)


def finding_files(
    found: FoundInScan,
    place: ScanPlace,
    label: str,
    map_class: str,
    reading: PreparedScan,
    sources: Sequence[Path],
) -> dict[str, tuple[Path, bytes]]:
    """Return path and content of the label image, the table of regions, and what describes both.

    Parameters
    ----------
    found
        The findings.
    place
        Where the files of the scan go.
    label
        BIDS label of the class.
    map_class
        Name of the class.
    reading
        The scan.
    sources
        Its images.
    """
    findings = found.findings
    sidecar = {
        "Description": f"Regions of the pattern map: {found.about.statement}.",
        "Sources": bids_uris(sources),
        "SpatialReference": "orig",
        **describe_regions(findings.unit),
    }
    contents = {
        "findings": (
            suffix_of(reading.space),
            encode_labels(findings.labels, reading.space, sources[0], label),
        ),
        "regions": (".tsv", encode_regions(findings.regions, map_class)),
        "regions_sidecar": (".json", encode_json(sidecar)),
    }
    return {
        kind: (place.findings(label, suffix), content)
        for kind, (suffix, content) in contents.items()
    }


def _smallest(run: Run) -> float | None:
    """Return the size of a cell of the refinement on the network's grid; None without mm."""
    preparation = run.preparation
    if preparation.spacing is None:
        return None
    sides = np.multiply(preparation.shape, preparation.spacing) / CELLS
    return float(np.prod(sides))


def _why_none(run: Run, map_class: str, controls: ControlScores | None) -> str:
    if run.reference is None:
        return "the run has no reference class"
    if controls is None:
        return f"{map_class} is the reference class"
    return f"the run has maps of {len(controls.scores)} other controls, and {FEWEST} are needed"


def _scores(scan: Scan, reading: PreparedScan, found: Findings) -> MaskScores | None:
    if scan.mask is None:
        return None
    try:
        mask = read_mask(scan.mask, reading.space.empty_image())
    except ImageError as error:
        logger.warning("the findings of %s are not scored: %s", scan.name, error.message)
        return None
    return score_findings(found.labels, mask)
