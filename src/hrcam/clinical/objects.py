"""All DICOM objects of one map, as the bytes of their files."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.clinical.about import About
from hrcam.clinical.maker import Maker
from hrcam.clinical.pm import parametric_map
from hrcam.clinical.quiet import quiet
from hrcam.clinical.seg import segmentation
from hrcam.clinical.source import Source
from hrcam.clinical.sr import report
from hrcam.errors import HRCAMError, InputError, machine_error
from hrcam.findings import Findings


def encode_objects(
    path: Path, pattern: NDArray[np.float32], about: About, findings: Findings
) -> dict[str, bytes]:
    """Make the objects of a map in the study of its images.

    Equal inputs give equal UIDs, so that an archive has an object once, however often it is made.

    Parameters
    ----------
    path
        The DICOM file or folder of the images.
    pattern
        Shape (columns, rows[, slices]), as `hrcam.cohort.image.Image`.
    about
        What they say beside it.
    findings
        Its regions.

    Returns
    -------
    The content of each file, by its kind, those first that others refer to: "pm", "seg" (not
    without a region), "sr".

    Raises
    ------
    ImageError
        If the images cannot be read.
    InputError
        If their headers lack what the objects need.
    """
    with quiet():
        try:
            source = Source.read(path)
            maker = Maker(source, about, _digest(findings))
            made = {"pm": parametric_map(maker, pattern)}
            if findings.regions:
                made["seg"] = segmentation(maker, findings)
            made["sr"] = report(maker, pattern, findings, made["pm"], made.get("seg"))
            return {kind: _encoded(each) for kind, each in made.items()}
        except (HRCAMError, OSError, MemoryError):
            raise
        except Exception as error:
            if machine_error(error) is not None:
                raise
            # What a library says may quote what identifies the patient.
            raise InputError(
                f"no DICOM objects can be made of these images ({type(error).__name__}): export "
                "them again, or map without --dicom"
            ) from error


def _encoded(made: Any) -> bytes:
    buffer = io.BytesIO()
    made.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _digest(findings: Findings) -> str:
    """Return text that differs where regions do.

    The values of the map are left out: their last digits depend on how many scans were explained
    at once, and a job that goes on where it was must not make a second object of them.
    """
    return hashlib.sha256(findings.labels.astype(np.int32).tobytes()).hexdigest()
