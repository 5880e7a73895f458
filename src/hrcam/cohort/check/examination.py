"""Decode one scan completely: the facts that are kept of it, and what is wrong with it."""

import json
import logging
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any

import numpy as np

from hrcam.artifacts.cache import Cache
from hrcam.artifacts.formats import encode_json
from hrcam.cohort.border import border_of
from hrcam.cohort.facts import ScanFacts
from hrcam.cohort.foreground import foreground_box
from hrcam.cohort.image import PLACED, Image
from hrcam.cohort.problems import Caution, ImageError, Problem, Reason
from hrcam.cohort.reading import read_mask, read_scan
from hrcam.cohort.reading.content import content_hash
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


def examine(scan: Scan, files: dict[str, str], cache: Cache | None = None) -> Examination:
    """Read a scan and its mask to the last voxel.

    Parameters
    ----------
    scan
        The scan.
    files
        How to show its files: see `shown_files`.
    cache
        Of what was found of scans that were accepted.

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

    def read() -> _Found:
        nonlocal shown
        image = read_scan(scan)
        if scan.mask is not None:
            shown = files["mask"]
            read_mask(scan.mask, image)
        return facts_of(scan.name, image), image.cautions

    try:
        facts, cautions = (
            read()
            if cache is None
            else cache.result(
                lambda: content_hash(scan, mask=True),
                ["facts, border and encoding"],
                read,
                _encode,
                lambda kept: _decode(kept, scan.name),
            )
        )
        problems = (
            Problem(scan.name, files["image"], each.reason, each.message, each.advice, False)
            for each in cautions
        )
        return Examination(facts, tuple(problems))
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


_Found = tuple[ScanFacts, tuple[Caution, ...]]


def _encode(found: _Found) -> bytes:
    facts, cautions = found
    return encode_json({"facts": asdict(facts), "cautions": [astuple(each) for each in cautions]})


def _decode(content: bytes, name: str) -> _Found:
    """Return what was found of the same files, which may have been called otherwise."""
    kept = json.loads(content)
    facts = {key: _tuples(value) for key, value in kept["facts"].items()}
    cautions = tuple(Caution(Reason(reason), *words) for reason, *words in kept["cautions"])
    return replace(ScanFacts(**facts), name=name), cautions


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


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
        border=border_of(image.voxels),
        encoding=image.encoding,
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
