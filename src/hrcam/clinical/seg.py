"""The findings as a DICOM Segmentation."""

from typing import Any

import numpy as np

from hrcam.clinical.maker import MODEL, RESEARCH, Maker, class_code, long_string
from hrcam.clinical.order import put_in_source_order
from hrcam.clinical.pm import name_dimensions
from hrcam.findings import Findings, Region


def segmentation(maker: Maker, findings: Findings) -> Any:
    """Make a binary Segmentation with a segment for each region.

    Parameters
    ----------
    maker
        Of the objects of this map.
    findings
        With at least one region; labels of shape (columns, rows[, slices]).

    Returns
    -------
    highdicom.seg.Segmentation
    """
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import Segmentation, SegmentDescription
    from pydicom.sr.codedict import codes

    about = maker.about
    family = codes.DCM.ArtificialIntelligence
    algorithm = AlgorithmIdentificationSequence(
        name=MODEL, family=family, version=about.version, parameters={"training": about.training}
    )
    frames = maker.source.frames(findings.labels)
    numbers = np.zeros(int(frames.max()) + 1, np.uint16)
    for segment, region in enumerate(findings.regions, start=1):
        numbers[region.index] = segment
    made = Segmentation(
        source_images=maker.source.images,
        pixel_array=numbers[frames],
        segmentation_type="BINARY",
        segment_descriptions=[
            SegmentDescription(
                segment_number=segment,
                segment_label=long_string(region_name(maker, region)),
                segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
                segmented_property_type=class_code(about.map_class),
                algorithm_type="AUTOMATIC",
                algorithm_identification=algorithm,
                tracking_id=tracking_id(maker, region),
                tracking_uid=tracking_uid(maker, region),
            )
            for segment, region in enumerate(findings.regions, start=1)
        ],
        **maker.common("seg"),
        content_label="HR_CAM",
        content_description=long_string(f"HR-CAM findings for {about.map_class}"),
    )
    made.ImageComments = f"HR-CAM findings for {about.map_class}. {RESEARCH}."
    name_dimensions(made, maker.uid("seg", "dimensions"))
    if maker.source.placed:
        put_in_source_order(made, maker.source)
    else:
        made.PatientOrientation = maker.source.first.get("PatientOrientation", "")
    return made


def region_name(maker: Maker, region: Region) -> str:
    """Name a region for readers."""
    return f"Region {region.index}, {maker.about.map_class}"


def tracking_id(maker: Maker, region: Region) -> str:
    """Return a name of a region that is unique in the study."""
    return long_string(f"HR-CAM {maker.uid('seg', 'region')[-8:]} region {region.index}")


def tracking_uid(maker: Maker, region: Region) -> str:
    """Return the UID of a region, by which Segmentation and report mean the same."""
    return maker.uid("seg", "region", str(region.index))
