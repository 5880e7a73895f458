"""Small DICOM images of every kind that maps are made of, whose patient and study are complete."""

from pathlib import Path

import numpy as np
from broken_files import dicom_slice, save
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from scipy.spatial.transform import Rotation

STUDY, SERIES, FRAME = "1.2.826.0.1.3680043.8.498.1", "1.2.826.0.1.3680043.8.498.2", "1.2.3.99"
NAME, PATIENT = "Köhler^Änne", "MRN-4711"
ROWS, COLUMNS, SLICES = 10, 12, 4
KINDS = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "MG": "1.2.840.10008.5.1.4.1.1.1.2",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "XA": "1.2.840.10008.5.1.4.1.1.12.1",
}
ENHANCED_MR = "1.2.840.10008.5.1.4.1.1.4.1"
TURN = Rotation.from_euler("xyz", [25, -40, 10], degrees=True).as_matrix()
IDENTIFYING = (NAME, "Köhler", PATIENT, "19570311", "ACC-815", STUDY, SERIES, FRAME)


def with_study(dataset: Dataset, kind: str = "MR", number: int = 1) -> Dataset:
    """Put an image into the study of a patient."""
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName, dataset.PatientID = NAME, PATIENT
    dataset.PatientBirthDate, dataset.PatientSex = "19570311", "F"
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = STUDY, SERIES
    dataset.StudyDate, dataset.StudyTime, dataset.StudyID = "20240102", "101112", "S1"
    dataset.AccessionNumber, dataset.ReferringPhysicianName = "ACC-815", "Doe^Jane"
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = kind, 3, number
    dataset.SOPInstanceUID = f"{SERIES}.{number}"
    dataset.SOPClassUID = KINDS[kind]
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.Manufacturer = "A scanner"
    return dataset


def pixels(seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 1000, (SLICES, ROWS, COLUMNS)).astype(np.uint16)


def series(folder: Path, kind: str = "MR", down: bool = False, seed: int = 0) -> Path:
    """An oblique series; its numbers rise or fall along the normal of its slices."""
    folder.mkdir(parents=True)
    right, below, normal = TURN.T
    for k, stored in enumerate(pixels(seed)):
        position = (-81.25, 40.5, -12.0) + 2.5 * k * normal
        dataset = with_study(dicom_slice(stored, position), kind, SLICES - k if down else k + 1)
        dataset.ImageOrientationPatient = [float(f"{x:.6f}") for x in (*right, *below)]
        dataset.FrameOfReferenceUID, dataset.PositionReferenceIndicator = FRAME, ""
        save(dataset, folder / f"{7 * k % SLICES}.dcm")
    return folder


def enhanced(path: Path) -> Path:
    """A multi-frame object whose frames run against the normal."""
    dataset = with_study(dicom_slice(pixels()[0], (0, 0, 0)))
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = ENHANCED_MR
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del dataset[keyword]
    dataset.FrameOfReferenceUID = FRAME
    dataset.NumberOfFrames, dataset.PixelData = SLICES, pixels().tobytes()
    measures = _item(PixelSpacing=[0.5, 0.75], SliceThickness=4)
    orientation = _item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])
    dataset.SharedFunctionalGroupsSequence = Sequence(
        [_item(PlaneOrientationSequence=Sequence([orientation]))]
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        _item(
            PlanePositionSequence=Sequence([_item(ImagePositionPatient=[0, 0, -4.0 * k])]),
            PixelMeasuresSequence=Sequence([measures]),
        )
        for k in range(SLICES)
    )
    return save(dataset, path)


def projection(path: Path, kind: str, spacing: bool = False, number: int = 1) -> Path:
    """An image without a place; of ultrasound in colour."""
    stored = pixels(number)[0]
    if kind == "US":
        stored = np.repeat((stored // 4).astype(np.uint8)[..., None], 3, axis=-1)
        stored[:3, :3, 0] = 255
    dataset = with_study(dicom_slice(stored, (0, 0, 0)), kind, number)
    dataset.SeriesInstanceUID = f"{SERIES}.0"
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del dataset[keyword]
    if kind == "US":
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 3, "RGB"
        dataset.PlanarConfiguration = 0
    if spacing:
        dataset.PixelSpacing = [0.2, 0.3]
    elif kind != "US":
        dataset.ImagerPixelSpacing = [0.1, 0.1]
    return save(dataset, path)


def _item(**attributes: object) -> Dataset:
    group = Dataset()
    for keyword, value in attributes.items():
        setattr(group, keyword, value)
    return group
