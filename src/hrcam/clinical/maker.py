"""What all objects of one map share: who made them, their UIDs, their texts."""

from dataclasses import dataclass
from typing import Any

from hrcam.clinical.about import About
from hrcam.clinical.identity import derived_uid
from hrcam.clinical.source import Source

SCHEME = "99HRCAM"
"""Designator of the codes that no public scheme has."""

RESEARCH = "Research use only, not for diagnosis"
MANUFACTURER = "The hrcam developers"
MODEL = "HR-CAM"

_LONGEST, _LONGEST_CODE = 64, 16  # characters of a long string and of a code
_UTF8 = "ISO_IR 192"
_NUMBERS = {"pm": 1, "seg": 2, "sr": 3}  # last digits of the number of the series


@dataclass(frozen=True, eq=False)
class Maker:
    """Names the objects of one map.

    Attributes
    ----------
    source
        The images of the map.
    about
        What made it.
    regions
        Text that differs where regions do.
    """

    source: Source
    about: About
    regions: str

    @property
    def _made_from(self) -> tuple[str, ...]:
        about = self.about
        folds = ",".join(map(str, about.folds))
        return (about.training, folds, about.version, about.map_class)

    def instance_uid(self, kind: str) -> str:
        """Return the UID of an object: another where its images, networks or regions are others."""
        images = sorted(str(image.SOPInstanceUID) for image in self.source.images)
        regions = "" if kind == "pm" else self.regions
        return derived_uid("instance", kind, *self._made_from, regions, *images)

    def uid(self, kind: str, *what: str) -> str:
        """Return the UID of something in an object: the same as long as the object's is."""
        return derived_uid(*what, self.instance_uid(kind))

    @property
    def device_uid(self) -> str:
        """UID of the trained networks."""
        return derived_uid("device", self.about.training)

    def common(self, kind: str) -> dict[str, Any]:
        """Return what the constructor of each kind of object is given."""
        from highdicom.coding_schemes import CodingSchemeIdentificationItem

        first, about = self.source.first, self.about
        series = str(first.SeriesInstanceUID)
        number = int(first.get("SeriesNumber") or 0) % 10**6
        place = list(about.probabilities).index(about.map_class)
        given: dict[str, Any] = {
            "series_instance_uid": derived_uid(
                "series", kind, series, about.training, about.map_class
            ),
            "series_number": number * 1000 + place % 100 * 10 + _NUMBERS[kind],
            "sop_instance_uid": self.instance_uid(kind),
            "instance_number": self._instance_number(),
            "manufacturer": MANUFACTURER,
            "manufacturer_model_name": MODEL,
            "software_versions": f"hrcam {about.version}",
            "device_serial_number": long_string(about.training),
            "coding_schemes": [
                CodingSchemeIdentificationItem(SCHEME, name="Classes and measures of HR-CAM")
            ],
            "series_description": long_string(f"HR-CAM {kind} {about.map_class}, RESEARCH ONLY"),
        }
        charset = first.get("SpecificCharacterSet")
        texts = (about.map_class, about.predicted, *about.probabilities)
        if not (charset is None or isinstance(charset, str)) or not all(map(str.isascii, texts)):
            given["specific_character_set"] = _UTF8
        return given

    def _instance_number(self) -> int:
        """Return the number of the image: the projections of one series are one series again."""
        number = int(self.source.first.get("InstanceNumber") or 0)
        return max(1, number) if self.source.is_plane else 1


def long_string(text: str) -> str:
    """Cut a text to what a DICOM long string holds."""
    return text.replace("\\", "/")[:_LONGEST]


def own_code(value: str, meaning: str) -> Any:
    """Return a code of our own scheme.

    Parameters
    ----------
    value
        What it is known by; if it is longer than a code may be, a hash of it stands for it.
    meaning
        Text for readers.
    """
    from pydicom.sr.coding import Code

    if len(value) > _LONGEST_CODE or not value.isascii() or "\\" in value:
        value = derived_uid("code", value)[-_LONGEST_CODE:]
    return Code(value, SCHEME, long_string(meaning))


def class_code(name: str) -> Any:
    """Return the code of a class, which only the training knows by this name."""
    return own_code(name, name)
