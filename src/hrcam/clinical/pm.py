"""The pattern as a DICOM Parametric Map."""

from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hrcam.clinical.maker import RESEARCH, Maker, long_string
from hrcam.clinical.order import put_in_source_order


def parametric_map(maker: Maker, pattern: NDArray[np.float32]) -> Any:
    """Make a Parametric Map of single precision, in the frames of the source.

    Parameters
    ----------
    maker
        Of the objects of this map.
    pattern
        Shape (columns, rows[, slices]).

    Returns
    -------
    highdicom.pm.ParametricMap
    """
    from highdicom import VOILUTTransformation
    from highdicom.pm import ParametricMap, RealWorldValueMapping
    from pydicom.sr.codedict import codes

    frames = maker.source.frames(pattern).astype(np.float32)
    largest = float(np.abs(frames).max())
    named = f"HR-CAM pattern for {maker.about.map_class}"
    source = maker.source
    made = ParametricMap(
        source_images=source.images if source.placed else [_placed(source.first)],
        pixel_array=frames,
        **maker.common("pm"),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[
            RealWorldValueMapping(
                lut_label=MAPPING,
                lut_explanation=long_string(named),
                unit=codes.UCUM.NoUnits,
                value_range=(float(frames.min()), float(frames.max())),
                quantity_definition=codes.DCM.ClassActivation,
            )
        ],
        voi_lut_transformations=[
            VOILUTTransformation(window_center=0.0, window_width=2 * largest or 1.0)
        ],
        content_label="HR_CAM",
        content_description=long_string(named),
    )
    made.ImageComments = f"{named}. {RESEARCH}."
    made.Laterality = source.first.get("Laterality", "")
    if source.placed:
        put_in_source_order(made, source)
    else:
        _take_from_its_place(made, maker)
    name_dimensions(made, maker.uid("pm", "dimensions"))
    return made


def _placed(image: Any) -> Any:
    """Return the header of a projection with a place, without which highdicom makes no map."""
    from pydicom.dataset import Dataset

    image = deepcopy(image)
    image.FrameOfReferenceUID = image.SOPInstanceUID
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    image.PixelSpacing = image.get("PixelSpacing") or [1, 1]
    position, orientation = Dataset(), Dataset()
    position.ImagePositionPatient = image.ImagePositionPatient
    orientation.ImageOrientationPatient = image.ImageOrientationPatient
    (shared,), (frame,) = (
        image.SharedFunctionalGroupsSequence,
        image.PerFrameFunctionalGroupsSequence,
    )
    shared.PlaneOrientationSequence, frame.PlanePositionSequence = [orientation], [position]
    shared.PixelMeasuresSequence[0].PixelSpacing = image.PixelSpacing
    return image


def _take_from_its_place(made: Any, maker: Maker) -> None:
    """Leave a frame of reference that is not the patient's, as the standard has it without one."""
    from pydicom.datadict import tag_for_keyword

    made.FrameOfReferenceUID = maker.uid("pm", "frame of reference")
    made.PatientOrientation = maker.source.first.get("PatientOrientation", "")
    shared, frame = made.SharedFunctionalGroupsSequence[0], made.PerFrameFunctionalGroupsSequence[0]
    del shared.PlaneOrientationSequence, frame.PlanePositionSequence
    if not maker.source.first.get("PixelSpacing"):
        del shared.PixelMeasuresSequence[0].PixelSpacing
    frame.FrameContentSequence[0].FrameLabel = made.ContentLabel
    frame.FrameContentSequence[0].DimensionIndexValues = [1]
    (index,) = made.DimensionIndexSequence
    index.DimensionIndexPointer = tag_for_keyword("FrameLabel")
    index.FunctionalGroupPointer = tag_for_keyword("FrameContentSequence")
    index.DimensionDescriptionLabel = "Frame Label"


MAPPING = "HR-CAM"
"""Label of the mapping from stored values to those of the pattern."""


def name_dimensions(made: Any, uid: str) -> None:
    """Give the dimensions of an object a UID that does not change when it is made again."""
    made.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for item in made.DimensionIndexSequence:
        item.DimensionOrganizationUID = uid
