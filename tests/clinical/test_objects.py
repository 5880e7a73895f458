"""DICOM objects of maps: where the images are, for whom, the same each time, and valid."""

import io
import logging
import shutil
import subprocess
import warnings
from dataclasses import replace
from pathlib import Path

import highdicom
import numpy as np
import pydicom
import pytest
from dicom_sources import FRAME, PATIENT, SERIES, STUDY, enhanced, projection, series

from hrcam.clinical import About, encode_objects
from hrcam.cohort.reading import read_image
from hrcam.errors import InputError
from hrcam.findings import Findings, Region

ABOUT = About(
    map_class="patient",
    predicted="patient",
    probabilities={"control": 0.25, "patient": 0.75},
    training="0123456789abcdef",
    version="0.1.0",
    folds=(1, 2),
    seen_in_training=False,
    unlike_training=True,
)
PLACED = {
    "MR": lambda folder: series(folder / "s"),
    "CT, reversed": lambda folder: series(folder / "s", "CT", down=True),
    "enhanced": lambda folder: enhanced(folder / "x.dcm"),
}
PROJECTIONS = {
    f"{kind}{', spaced' if spacing else ''}": lambda folder, kind=kind, spacing=spacing: projection(
        folder / "x.dcm", kind, spacing=spacing
    )
    for kind, spacing in (
        *(("CR", False), ("CR", True), ("DX", False), ("MG", True)),
        *(("US", False), ("US", True), ("XA", False)),
    )
}
SOURCES = PLACED | PROJECTIONS
# Table A.75-2 of PS3.3 wants planes where the frame of reference is that of the patient; dciodvfy
# wants them of every Parametric Map, even those of patients and of slides at once.
OF_PROJECTIONS = ("PlanePositionSequence", "PlaneOrientationSequence", "PlanePositionSlideSequence")
XPATH = [f"-Djdk.xml.xpath{limit}Limit=0" for limit in ("TotalOp", "ExprOp", "ExprGrp")]
PIXELMED = Path("/usr/share/java/pixelmed.jar")


def pattern_of(image, seed=1):
    return np.random.default_rng(seed).normal(size=image.shape).astype(np.float32)


def findings_of(image):
    """Two regions, of which the second is listed first."""
    labels = np.zeros(image.shape, np.uint16)
    labels[2:4, 3:6], labels[7:9, 6:8] = 1, 2
    unit = "mm3" if len(image.shape) == 3 else "pixels"
    return Findings(
        labels,
        (
            Region(2, 4, 50.0, (7, 6, 0), None, -2.5, 1.0),
            Region(1, 6, 100.0, (2, 3, 0), None, 2.0, 1.5, 0.1, 0.4, 0.05),
        ),
        unit,
        smallest=1.0,
        score=2.5,
        control_share=0.05,
        controls=20,
    )


def nothing_in(image):
    labels = np.zeros(image.shape, np.uint16)
    return Findings(labels, (), "mm3", 1.0, score=0.1, control_share=0.5, controls=20)


def made(path):
    image = read_image(path)
    pattern = pattern_of(image)
    objects = encode_objects(path, pattern, ABOUT, findings_of(image))
    return image, pattern, {kind: read(content) for kind, content in objects.items()}


def read(content):
    return pydicom.dcmread(io.BytesIO(content))


def headers(path):
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    return sorted(map(pydicom.dcmread, files), key=lambda each: each.InstanceNumber)


def frames_of(pm):
    return np.frombuffer(pm.FloatPixelData, "<f4").reshape(-1, pm.Rows, pm.Columns)


def place_of(frame):
    return np.array(frame.PlanePositionSequence[0].ImagePositionPatient, float)


@pytest.mark.parametrize("source", PLACED)
def test_frames_are_those_of_the_series_in_its_order(tmp_path, source):
    path = PLACED[source](tmp_path)
    image, pattern, objects = made(path)
    pm, seg = objects["pm"], objects["seg"]
    images = headers(path)
    if len(images) == 1:
        expected = list(map(place_of, images[0].PerFrameFunctionalGroupsSequence))
    else:
        expected = [np.array(each.ImagePositionPatient, float) for each in images]
    per_frame = list(pm.PerFrameFunctionalGroupsSequence)
    np.testing.assert_allclose(list(map(place_of, per_frame)), expected, atol=1e-4)
    to_voxels = np.linalg.inv(image.affine)
    for number, (frame, values) in enumerate(zip(per_frame, frames_of(pm), strict=True)):
        ras = np.append(place_of(frame) * (-1, -1, 1), 1)
        column, row, k = np.rint(to_voxels @ ras)[:3].astype(int)
        assert (column, row) == (0, 0)
        np.testing.assert_array_equal(values, pattern[..., k].T)
        source_image = frame.DerivationImageSequence[0].SourceImageSequence[0]
        whole = images[0] if len(images) == 1 else images[number]
        assert source_image.ReferencedSOPInstanceUID == whole.SOPInstanceUID
        assert source_image.get("ReferencedFrameNumber", number + 1) == number + 1
        assert frame.FrameContentSequence[0].DimensionIndexValues == number + 1
    labels = findings_of(image).labels
    read_seg = highdicom.seg.Segmentation.from_dataset(seg)
    segments = (
        read_seg.get_pixels_by_source_instance([each.SOPInstanceUID for each in images])
        if len(images) > 1
        else read_seg.get_pixels_by_source_frame(
            images[0].SOPInstanceUID, range(1, len(expected) + 1)
        )
    )
    for number, frame in enumerate(per_frame):
        ras = np.append(place_of(frame) * (-1, -1, 1), 1)
        k = int(np.rint(to_voxels @ ras)[2])
        for segment, index in ((0, 2), (1, 1)):
            np.testing.assert_array_equal(segments[number, ..., segment], index == labels[..., k].T)
    order = [
        (
            item.SegmentIdentificationSequence[0].ReferencedSegmentNumber,
            [np.allclose(place_of(item), place, atol=1e-4) for place in expected].index(True),
        )
        for item in seg.PerFrameFunctionalGroupsSequence
    ]
    assert order == sorted(order)


@pytest.mark.parametrize("source", PROJECTIONS)
def test_a_projection_has_one_frame_and_no_place_that_it_lacks(tmp_path, source):
    path = PROJECTIONS[source](tmp_path)
    _, pattern, objects = made(path)
    pm = objects["pm"]
    np.testing.assert_array_equal(frames_of(pm), pattern.T[None])
    (frame,) = pm.PerFrameFunctionalGroupsSequence
    (shared,) = pm.SharedFunctionalGroupsSequence
    assert "PlanePositionSequence" not in frame
    assert "PlaneOrientationSequence" not in shared
    assert pm.FrameOfReferenceUID not in (FRAME, headers(path)[0].SOPInstanceUID)
    assert "FrameOfReferenceUID" not in objects["seg"]
    labels = findings_of(read_image(path)).labels
    np.testing.assert_array_equal(objects["seg"].pixel_array, [labels.T == 2, labels.T == 1])
    spacing = shared.PixelMeasuresSequence[0].get("PixelSpacing")
    assert spacing == ([0.2, 0.3] if "spaced" in source else None)
    assert objects["sr"].SOPClassUID == pydicom.uid.ComprehensiveSRStorage


@pytest.mark.parametrize("source", SOURCES)
def test_objects_are_in_the_study_and_valid(tmp_path, source):
    path = SOURCES[source](tmp_path)
    _, _, objects = made(path)
    first = headers(path)[0]
    for kind, made_object in objects.items():
        assert made_object.PatientName == first.PatientName
        assert (made_object.PatientID, made_object.StudyInstanceUID) == (PATIENT, STUDY)
        assert made_object.AccessionNumber == first.AccessionNumber
        assert made_object.SeriesInstanceUID != SERIES
        assert "RESEARCH" in made_object.SeriesDescription
        assert "Research use only" in made_object.to_json()
        if source in PLACED and kind != "sr":
            assert made_object.FrameOfReferenceUID == FRAME
    assert len({each.SeriesInstanceUID for each in objects.values()}) == 3
    assert objects["pm"].ContentQualification == "RESEARCH"
    quantity = (
        (objects["pm"].SharedFunctionalGroupsSequence[0].RealWorldValueMappingSequence[0])
        .QuantityDefinitionSequence[0]
        .ConceptCodeSequence[0]
    )
    assert (quantity.CodeValue, quantity.CodingSchemeDesignator) == ("130402", "DCM")
    if shutil.which("dciodvfy") is None:
        pytest.skip("there is no dciodvfy here: apt-get install dicom3tools")
    for kind, made_object in objects.items():
        file = tmp_path / f"{kind}.dcm"
        made_object.save_as(file)
        errors = [line for line in checked("dciodvfy", "-new", file) if line.startswith("Error")]
        if kind == "pm" and source in PROJECTIONS:
            assert len(errors) == 6
            errors = [line for line in errors if not any(name in line for name in OF_PROJECTIONS)]
        assert not errors


def checked(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).splitlines()


def test_the_report_follows_its_template(tmp_path):
    if shutil.which("java") is None or not PIXELMED.exists():
        pytest.skip("there is no PixelMed here: apt-get install libpixelmed-java")
    _, _, objects = made(series(tmp_path / "s"))
    file = tmp_path / "report.dcm"
    objects["sr"].save_as(file)
    java = ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", *XPATH, "-cp", PIXELMED]
    lines = checked(*java, "com.pixelmed.validate.DicomSRValidator", file)
    assert "Found Comprehensive3DSR IOD" in lines
    assert "Found Root Template TID_1500 (MeasurementReport)" in lines
    assert not [line for line in lines if line.startswith("Error")]


def items_of(node):
    """Every content item: its name, its value and what it refers to."""
    for item in node.get("ContentSequence", ()):
        name = item.ConceptNameCodeSequence[0].CodeMeaning
        if item.ValueType == "NUM":
            yield name, float(item.MeasuredValueSequence[0].NumericValue)
        elif item.ValueType == "CODE":
            yield name, item.ConceptCodeSequence[0].CodeMeaning
        elif item.ValueType == "IMAGE":
            yield name, item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        elif item.ValueType == "TEXT":
            yield name, item.TextValue
        yield from items_of(item)


def test_the_report_has_the_prediction_the_regions_and_the_model(tmp_path):
    path = series(tmp_path / "s")
    _, _, objects = made(path)
    said = list(items_of(objects["sr"]))
    for one in [
        ("Predicted class", "patient"),
        ("Class of the map and the findings", "patient"),
        ("Finding", "Present"),
        ("Intended use", "Research use only, not for diagnosis"),
        ("Networks were trained on this patient", "No"),
        ("Image is unlike those of the training", "Yes"),
        ("Probability of control", 0.25),
        ("Probability of patient", 0.75),
        ("Volume", 50.0),
        ("Volume", 100.0),
        ("Class activation", -2.5),
        ("Share of the positive evidence of the image", 40.0),
        ("Share of control images that score as high", 5.0),
        ("Algorithm Name", "HR-CAM"),
        ("Algorithm Version", "0.1.0"),
        ("Algorithm Parameters", "training 0123456789abcdef"),
        ("Referenced Segment", objects["seg"].SOPInstanceUID),
        ("Source of Measurement", objects["pm"].SOPInstanceUID),
        *(("Source", each.SOPInstanceUID) for each in headers(path)),
    ]:
        assert one in said
    tracked = [value for name, value in said if name == "Tracking Identifier"]
    assert tracked == [each.TrackingID for each in objects["seg"].SegmentSequence]
    evidence = {
        one.ReferencedSOPInstanceUID
        for study in objects["sr"].CurrentRequestedProcedureEvidenceSequence
        for each in study.ReferencedSeriesSequence
        for one in each.ReferencedSOPSequence
    }
    assert evidence == {
        *(each.SOPInstanceUID for each in headers(path)),
        objects["pm"].SOPInstanceUID,
        objects["seg"].SOPInstanceUID,
    }


def test_an_image_without_a_region_has_no_segmentation_and_the_report_says_so(tmp_path):
    path = series(tmp_path / "s")
    image = read_image(path)
    about = replace(ABOUT, unlike_training=None)
    objects = encode_objects(path, pattern_of(image), about, nothing_in(image))
    assert list(objects) == ["pm", "sr"]
    said = list(items_of(read(objects["sr"])))
    assert ("Finding", "Absent") in said
    assert ("Findings are compared", "with 20 control images") in said
    assert ("Probability of patient", 0.75) in said
    assert "Image is unlike those of the training" not in dict(said)
    assert not [name for name, _ in said if name == "Volume"]


def uids(path, about=ABOUT, find=nothing_in):
    image = read_image(path)
    objects = encode_objects(path, pattern_of(image), about, find(image))
    return {kind: read(content) for kind, content in objects.items()}


def test_equal_inputs_give_equal_uids_and_others_do_not(tmp_path):
    path = series(tmp_path / "s")
    first, again = uids(path), uids(path)
    for kind, each in first.items():
        assert each.SOPInstanceUID == again[kind].SOPInstanceUID
        assert each.SOPInstanceUID.startswith("2.25.")
        assert each.SOPInstanceUID.is_valid
        for one in (each, again[kind]):
            for keyword in ("InstanceCreationTime", "ContentTime", "ContributingEquipmentSequence"):
                del one[keyword]
        assert each == again[kind]
    other_class = uids(path, About(**vars(ABOUT) | {"map_class": "control"}))
    other_training = uids(path, About(**vars(ABOUT) | {"training": "fedcba"}))
    other_images = uids(projection(tmp_path / "x.dcm", "DX"))
    every = [first, other_class, other_training, other_images]
    for kind in ("pm", "sr"):
        assert len({each[kind].SOPInstanceUID for each in every}) == 4
        assert len({each[kind].SeriesInstanceUID for each in every}) == 4
    regions = uids(path, find=findings_of)
    for keyword in ("InstanceCreationTime", "ContentTime", "ContributingEquipmentSequence"):
        del regions["pm"][keyword]
    assert regions["pm"] == first["pm"]
    assert regions["sr"].SOPInstanceUID != first["sr"].SOPInstanceUID
    assert regions["sr"].SeriesInstanceUID == first["sr"].SeriesInstanceUID
    projected = tmp_path / "x.dcm"
    with_regions, without = uids(projected, find=findings_of), uids(projected)
    assert with_regions["pm"].FrameOfReferenceUID == without["pm"].FrameOfReferenceUID


def changed(path, **attributes):
    for file in path.iterdir():
        dataset = pydicom.dcmread(file)
        for keyword, value in attributes.items():
            if value is None:
                del dataset[keyword]
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(file)
    return path


@pytest.mark.parametrize("keyword", ["StudyInstanceUID", "FrameOfReferenceUID"])
def test_a_header_that_does_not_say_where_it_belongs_is_refused(tmp_path, keyword):
    path = changed(series(tmp_path / "s"), **{keyword: None})
    with pytest.raises(InputError, match=f"no {keyword}") as refused:
        made(path)
    assert PATIENT not in str(refused.value)


@pytest.mark.filterwarnings("ignore:.*value.*:UserWarning")
def test_odd_headers_make_objects_and_no_noise(tmp_path, caplog, capfd):
    """Libraries warn of such headers, and quote them."""
    path = changed(
        series(tmp_path / "s"),
        PatientName="Nocaret",
        PatientSex="X",
        PatientBirthDate="57",
        StudyTime="noon",
        AccessionNumber="a very long accession number",
    )
    name = "Übergröße, sehr lang und mit Umlauten"
    about = About(**vars(ABOUT) | {"map_class": name, "probabilities": {"A": 0.5, name: 0.5}})
    caplog.set_level(logging.DEBUG)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        image = read_image(path)
        objects = encode_objects(path, pattern_of(image), about, nothing_in(image))
    assert not warned
    assert "Nocaret" not in caplog.text + "".join(capfd.readouterr())
    sr = read(objects["sr"])
    assert (sr.PatientName, sr.PatientSex, sr.PatientBirthDate) == ("Nocaret", "", "")
    assert sr.SpecificCharacterSet == "ISO_IR 192"
    assert ("Class of the map and the findings", name) in list(items_of(sr))


def test_several_multi_frame_objects_are_refused(tmp_path):
    enhanced(tmp_path / "a.dcm")
    second = pydicom.dcmread(enhanced(tmp_path / "b.dcm"))
    for k, frame in enumerate(second.PerFrameFunctionalGroupsSequence):
        frame.PlanePositionSequence[0].ImagePositionPatient = [0, 0, 4 + 4 * k]
    second.save_as(tmp_path / "b.dcm")
    with pytest.raises(ValueError, match="2 objects of several frames"):
        made(tmp_path)
