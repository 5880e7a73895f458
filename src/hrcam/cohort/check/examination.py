"""Decode one scan completely: the facts that are kept of it, and what is wrong with it."""

import logging
from dataclasses import dataclass

import numpy as np

from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.foreground import foreground_box
from hrcam.cohort.image import PLACED, Image
from hrcam.cohort.problems import ImageError, Problem, Reason
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.cohort.reading.decoding import too_large
from hrcam.cohort.scan import Cohort, Scan
from hrcam.cohort.voxel_hash import voxel_hash
from hrcam.errors import machine_error

logger = logging.getLogger(__name__)

PERCENTILES = (0.5, 25.0, 50.0, 75.0, 99.5)


@dataclass(frozen=True)
class Examination:
    """What was found of one scan.

    Attributes
    ----------
    facts
        None where the scan is refused.
    problems
        Refusals and warnings.
    """

    facts: ScanFacts | None
    problems: tuple[Problem, ...] = ()


def examine(scan: Scan, files: dict[str, str]) -> Examination:
    """Read a scan and its mask to the last voxel.

    Parameters
    ----------
    scan
        The scan.
    files
        How to show its files: see `shown_files`.

    Returns
    -------
    Examination
        Whatever goes wrong with the files is in its problems.

    Raises
    ------
    MachineError
        If what goes wrong is none of the files' fault.
    """
    shown = files["image"]
    try:
        image = read_scan(scan)
        problems = [
            Problem(scan.name, shown, found.reason, found.message, found.advice, refused=False)
            for found in image.cautions
        ]
        if scan.mask is not None:
            shown = files["mask"]
            read_mask(scan.mask, image)
        return Examination(facts_of(scan.name, image), tuple(problems))
    except ImageError as error:
        return Examination(
            None, (Problem(scan.name, shown, error.reason, error.message, error.advice),)
        )
    except MemoryError:
        large = too_large("image")
        return Examination(
            None, (Problem(scan.name, shown, large.reason, large.message, large.advice),)
        )
    except Exception as error:  # a defect of ours or of a library: the other scans still count
        failed = machine_error(error)
        if failed is not None:
            raise failed from error
        logger.debug("reading %s failed", scan.name, exc_info=True)
        message = f"reading failed unexpectedly, {type(error).__name__}: {error}"
        advice = "see the traceback with logging at DEBUG, and report it with the file's header"
        return Examination(None, (Problem(scan.name, shown, Reason.UNREADABLE, message, advice),))


def facts_of(name: str, image: Image) -> ScanFacts:
    """Measure a decoded image.

    Parameters
    ----------
    name
        Of the scan.
    image
        Decoded, with finite voxels.

    Returns
    -------
    ScanFacts
        All that later steps need to know of it.
    """
    percentiles = np.percentile(
        image.voxels.reshape(len(image.voxels), -1), PERCENTILES, axis=1
    ).T.tolist()
    return ScanFacts(
        name=name,
        format=image.format,
        shape=image.shape,
        spacing=image.spacing,
        orientation=_orientation(image),
        foreground=tuple(part.stop - part.start for part in foreground_box(image.voxels)),
        percentiles=tuple(tuple(row) for row in percentiles),
        voxel_hash=voxel_hash(image),
    )


def shown_files(cohort: Cohort, scan: Scan) -> dict[str, str]:
    """Paths of a scan as a person knows them, under the keys "image" and "mask"."""
    return {
        "image": ", ".join(cohort.shown(path) for path in scan.images.values()),
        "mask": "" if scan.mask is None else cohort.shown(scan.mask),
    }


def _orientation(image: Image) -> str:
    if image.format not in PLACED:
        return ""
    from nibabel.orientations import aff2axcodes

    codes: tuple[str, ...] = aff2axcodes(image.affine)  # type: ignore[no-untyped-call]
    return "".join(codes[axis] for axis in image.axes)
