"""Prediction and findings as a DICOM structured report: TID 1500, Measurement Report."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.clinical.maker import (
    MANUFACTURER,
    MODEL,
    RESEARCH,
    Maker,
    class_code,
    own_code,
)
from hrcam.clinical.seg import tracking_id, tracking_uid
from hrcam.findings import Findings, Region

_PROCEDURES = {
    "CT": "CTUnspecifiedBodyRegion",
    "MR": "MRIUnspecifiedBodyRegion",
    "NM": "NMUnspecifiedBodyRegion",
    "PT": "PETUnspecifiedBodyRegion",
}


def report(
    maker: Maker,
    pattern: NDArray[np.float32],
    findings: Findings,
    pm: Any,
    seg: Any | None,
) -> Any:
    """Make a Comprehensive 3D SR; of images without a place in the patient a Comprehensive SR.

    Parameters
    ----------
    maker
        Of the objects of this map.
    pattern
        The map.
    findings
        Its regions.
    pm, seg : pydicom.Dataset
        The other objects; ``seg`` is None without a region.

    Returns
    -------
    highdicom.sr.Comprehensive3DSR or highdicom.sr.ComprehensiveSR
    """
    from highdicom import sr
    from pydicom.sr.codedict import codes

    about, source = maker.about, maker.source
    device = sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=maker.device_uid,
            name=MODEL,
            manufacturer_name=MANUFACTURER,
            model_name=f"{MODEL}, hrcam {about.version}",
            serial_number=about.training,
        ),
    )
    groups = [_image_group(maker, pattern, pm)]
    if seg is not None:
        groups = [
            _region_group(maker, region, findings.unit, segment, pm, seg)
            for segment, region in enumerate(findings.regions, start=1)
        ]
    procedure = _PROCEDURES.get(str(source.first.get("Modality", "")), "ImagingProcedure")
    content = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device),
        procedure_reported=getattr(codes.cid100, procedure),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    items = content[0].ContentSequence
    items[-1].ContentSequence[:0] = list(_algorithm(maker))
    items.insert(len(items) - 1, _library(maker))
    items.append(_evaluations(maker, findings))
    kind = sr.Comprehensive3DSR if source.placed else sr.ComprehensiveSR
    given = maker.common("sr")
    made = kind(
        evidence=[*source.images, pm, *([] if seg is None else [seg])],
        content=content[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        **given,
    )
    made.CompletionFlagDescription = RESEARCH
    return made


def _evaluations(maker: Maker, findings: Findings) -> Any:
    """Return what holds of the whole image, without numbers."""
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    about = maker.about
    said = [
        (own_code("use", "Intended use"), own_code("research", RESEARCH)),
        (own_code("predicted", "Predicted class"), class_code(about.predicted)),
        (own_code("explained", "Class of the map and the findings"), class_code(about.map_class)),
        (
            own_code("seen", "Networks were trained on this patient"),
            _yes_or_no(about.seen_in_training),
        ),
        (codes.DCM.Finding, codes.SCT.Present if findings.regions else codes.SCT.Absent),
    ]
    if about.unlike_training is not None:
        name = own_code("unlike", "Image is unlike those of the training")
        said.append((name, _yes_or_no(about.unlike_training)))
    compared = (
        f"with {findings.controls} control images"
        if findings.controls
        else ("with none: the map of every image has a region")
    )
    contains = sr.RelationshipTypeValues.CONTAINS
    container = sr.ContainerContentItem(
        Code("C0034375", "UMLS", "Qualitative Evaluations"), relationship_type=contains
    )
    container.ContentSequence = sr.ContentSequence(
        [
            *(sr.CodeContentItem(name, value, relationship_type=contains) for name, value in said),
            sr.TextContentItem(
                own_code("compared", "Findings are compared"), compared, relationship_type=contains
            ),
        ]
    )
    return container


def _image_group(maker: Maker, pattern: NDArray[np.float32], pm: Any) -> Any:
    """Return the measurements of an image without a region."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    peak = _of_map(float(pattern.max(initial=0)), codes.SCT.Maximum, pm)
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=maker.uid("sr", "image"),
            identifier=f"HR-CAM {maker.uid('sr', 'image')[-8:]} image",
        ),
        finding_type=class_code(maker.about.predicted),
        measurements=[*_probabilities(maker), peak],
    )


def _region_group(maker: Maker, region: Region, unit: str, segment: int, pm: Any, seg: Any) -> Any:
    """Return the measurements of a region, which is a segment of the Segmentation."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    given: dict[str, Any] = {
        "tracking_identifier": sr.TrackingIdentifier(
            uid=tracking_uid(maker, region), identifier=tracking_id(maker, region)
        ),
        "finding_category": codes.SCT.MorphologicallyAbnormalStructure,
        "finding_type": class_code(maker.about.map_class),
        "measurements": [*_measurements(region, unit, pm), *_probabilities(maker)],
    }
    names = {"sop_class_uid": seg.SOPClassUID, "sop_instance_uid": seg.SOPInstanceUID}
    first = maker.source.first
    if not maker.source.is_plane:
        return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
            referenced_segment=sr.ReferencedSegment(
                **names,
                segment_number=segment,
                source_series=sr.SourceSeriesForSegmentation(first.SeriesInstanceUID),
            ),
            **given,
        )
    frame = sr.ReferencedSegmentationFrame(
        **names,
        frame_number=segment,
        segment_number=segment,
        source_image=sr.SourceImageForSegmentation(first.SOPClassUID, first.SOPInstanceUID),
    )
    # Either of the two numbers is allowed; each segment has one frame.
    del frame[0].ReferencedSOPSequence[0].ReferencedSegmentNumber
    return sr.PlanarROIMeasurementsAndQualitativeEvaluations(referenced_segment=frame, **given)


def _probabilities(maker: Maker) -> list[Any]:
    """Return the probability of each class."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    return [
        sr.Measurement(
            name=own_code(f"probability {name}", f"Probability of {name}"),
            value=_rounded(probability),
            unit=codes.UCUM.NoUnits,
        )
        for name, probability in maker.about.probabilities.items()
    ]


def _measurements(region: Region, unit: str, pm: Any) -> Iterator[Any]:
    from highdicom import sr
    from pydicom.sr.codedict import codes

    name, of = {
        "mm3": (codes.SCT.Volume, codes.UCUM.CubicMillimeter),
        "mm2": (codes.SCT.Area, codes.UCUM.SquareMillimeter),
        "voxels": (own_code("voxels", "Number of voxels"), codes.UCUM.NoUnits),
        "pixels": (own_code("pixels", "Number of pixels"), codes.UCUM.NoUnits),
    }[unit]
    yield sr.Measurement(name, _rounded(region.size), of)
    yield _of_map(region.peak_value, codes.SCT.Maximum, pm)
    yield _of_map(region.mean, codes.SCT.Mean, pm)
    if region.std is not None:
        yield _of_map(region.std, codes.SCT.StandardDeviation, pm)
    shares = {
        "evidence": (region.evidence_share, "Share of the positive evidence of the image"),
        "controls": (region.control_share, "Share of control images that score as high"),
    }
    for value, (share, meaning) in shares.items():
        if share is not None:
            percent = _rounded(100 * share)
            yield sr.Measurement(own_code(value, meaning), percent, codes.UCUM.Percent)


def _of_map(value: float, derivation: Any, pm: Any) -> Any:
    """Return a measurement that was taken from the Parametric Map."""
    from highdicom import sr
    from pydicom.sr.codedict import codes

    return sr.Measurement(
        name=codes.DCM.ClassActivation,
        value=_rounded(value),
        unit=codes.UCUM.NoUnits,
        derivation=derivation,
        referenced_images=[sr.SourceImageForMeasurement(pm.SOPClassUID, pm.SOPInstanceUID)],
    )


def _algorithm(maker: Maker) -> Any:
    from highdicom import sr

    about = maker.about
    folds = ", ".join(map(str, about.folds))
    return sr.AlgorithmIdentification(
        name=MODEL,
        version=about.version,
        parameters=[f"training {about.training}", f"folds {folds}", RESEARCH],
    )


def _library(maker: Maker) -> Any:
    """Return the list of the source images: TID 1600, without descriptions of each."""
    from highdicom import sr
    from pydicom.sr.codedict import codes
    from pydicom.sr.coding import Code

    contains = sr.RelationshipTypeValues.CONTAINS
    library = sr.ContainerContentItem(codes.DCM.ImageLibrary, relationship_type=contains)
    group = sr.ContainerContentItem(codes.DCM.ImageLibraryGroup, relationship_type=contains)
    group.ContentSequence = sr.ContentSequence(
        [
            sr.ImageContentItem(
                name=Code("260753009", "SCT", "Source"),
                referenced_sop_class_uid=image.SOPClassUID,
                referenced_sop_instance_uid=image.SOPInstanceUID,
                relationship_type=contains,
            )
            for image in maker.source.images
        ]
    )
    library.ContentSequence = sr.ContentSequence([group])
    return library


def _yes_or_no(answer: bool) -> Any:
    from pydicom.sr.codedict import codes

    return codes.SCT.Yes if answer else codes.SCT.No


def _rounded(value: float) -> float:
    """Keep six digits, which fit into the 16 letters of a decimal string."""
    return float(f"{value:.6g}")
