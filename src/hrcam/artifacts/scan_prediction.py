"""What a record says was predicted for a scan: a class with probabilities, a value, or labels."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self


class ScanPrediction(Protocol):
    """What was predicted for a scan."""

    @property
    def target(self) -> str | None:
        """Name of the value that is predicted; None with classes."""

    @property
    def exclusive(self) -> bool:
        """Whether it is of classes, of which a scan has one: right or wrong, and with findings."""

    @property
    def text(self) -> str:
        """The predicted class, the value with six digits, or the predicted labels."""

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Of each class or label, by name, in their order; empty for a value."""

    @property
    def confidence(self) -> float:
        """What scans are put in order by: the probability of the predicted class, or the value."""

    @property
    def outputs(self) -> tuple[str, ...]:
        """What there can be maps of: the classes, or the value."""

    @property
    def logit_key(self) -> str:
        """Key in a record of what mean evidence and bias add up to."""

    def chosen(self, reference: str | None) -> str:
        """Return what is mapped, where nothing was asked for.

        Parameters
        ----------
        reference
            The class that others are compared with, such as controls; None if there is none.
        """

    def outcome(self, label: str | None) -> str:
        """Return whether the prediction is "correct" or "wrong".

        It is "unlabelled" without a label, and "" where a prediction is neither right nor wrong.
        """

    def stratum(self, label: str | None) -> str | None:
        """Return the group of a scan of this label, of which pages show some, and a mean map."""

    def describe(self, kind: str) -> dict[str, str]:
        """Return what a record says of a map: description, units and polarity."""

    def to_json(self) -> dict[str, Any]:
        """Return what a record says of the prediction."""


_LIKELY = 0.5
"""A label is predicted where its probability is more than this."""

_OUTSIDE = "0 in voxels outside the network's grid, which it did not see"
_DEPENDS = (
    "root of standard deviations of those images, where the decision depends most on the image"
)
_FOR_CLASS = "positive speaks for Class, negative against it"

MAPS = {
    "evidence": {
        "Description": "What the decision is made of. On the network's grid its mean plus Bias "
        "is Logit; brought to the voxels of the image it adds up to nearly that. " + _OUTSIDE,
        "Units": "logit",
        "Polarity": _FOR_CLASS,
    },
    "pattern": {
        "Description": "Where the image is unlike images of the class that Class is compared with, "
        "and the decision depends on it: the map to look at; its size says where. " + _OUTSIDE,
        "Units": _DEPENDS,
        "Polarity": _FOR_CLASS,
    },
    "std": {
        "Description": "Standard deviation of the pattern over heads refitted on resampled "
        "subjects. " + _OUTSIDE,
        "Units": "as the pattern",
        "Polarity": "positive",
    },
}
"""What the maps for a class are."""


@dataclass(frozen=True)
class ClassPrediction:
    """A predicted class.

    Attributes
    ----------
    text
        The most probable class.
    probabilities
        Of each class, by name, in the order of the classes.
    """

    text: str
    probabilities: Mapping[str, float]

    target: ClassVar[str | None] = None
    exclusive: ClassVar[bool] = True
    logit_key: ClassVar[str] = "Logit"

    @classmethod
    def from_json(cls, content: Mapping[str, Any], numbers: Mapping[str, float]) -> Self:
        """Read it again from a record, whose probabilities are given as numbers."""
        return cls(str(content["PredictedClass"]), numbers)

    @property
    def confidence(self) -> float:
        """Probability of the predicted class."""
        return self.probabilities[self.text]

    @property
    def outputs(self) -> tuple[str, ...]:
        """The classes."""
        return tuple(self.probabilities)

    def chosen(self, reference: str | None) -> str:
        """Return the predicted class, but for the reference the most probable other one.

        The reference has nothing to be compared with.
        """
        if self.text != reference or len(self.probabilities) < 2:
            return self.text
        others = [name for name in self.probabilities if name != reference]
        return max(others, key=lambda name: self.probabilities[name])

    def outcome(self, label: str | None) -> str:
        """Return whether the predicted class is the true one."""
        if label is None:
            return "unlabelled"
        return "correct" if label == self.text else "wrong"

    def stratum(self, label: str | None) -> str | None:
        """Return the true class."""
        return label

    def describe(self, kind: str) -> dict[str, str]:
        """Return what the maps for a class are."""
        return MAPS[kind]

    def to_json(self) -> dict[str, Any]:
        """Return the class and the probabilities."""
        return {"PredictedClass": self.text, "Probabilities": dict(self.probabilities)}


@dataclass(frozen=True)
class ValuePrediction:
    """A predicted value, of a regression.

    Attributes
    ----------
    target
        Name of the value.
    value
        In its units.
    """

    target: str
    value: float

    exclusive: ClassVar[bool] = False
    logit_key: ClassVar[str] = "HeadValue"

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Read it again from a record."""
        return cls(str(content["Target"]), float(content["PredictedValue"]))

    @property
    def text(self) -> str:
        """The value, with six digits."""
        return f"{self.value:.6g}"

    @property
    def probabilities(self) -> Mapping[str, float]:
        """Return none."""
        return {}

    @property
    def confidence(self) -> float:
        """The value: a network does not say how sure of it it is."""
        return self.value

    @property
    def outputs(self) -> tuple[str, ...]:
        """The name of the value."""
        return (self.target,)

    def chosen(self, reference: str | None) -> str:
        """Return the name of the value."""
        del reference
        return self.target

    def outcome(self, label: str | None) -> str:
        """Return that a value is neither right nor wrong."""
        del label
        return ""

    def stratum(self, label: str | None) -> str | None:
        """Return one group for all scans whose value is known."""
        return None if label is None else self.target

    def describe(self, kind: str) -> dict[str, str]:
        """Return what the maps for a value are."""
        polarity = f"positive speaks for a higher {self.target}, negative for a lower one"
        return {
            "evidence": {
                "Description": "What the value is made of. On the network's grid its mean plus "
                "Bias is HeadValue; brought to the voxels of the image it adds up to nearly that. "
                + _OUTSIDE,
                "Units": f"as {self.target}",
                "Polarity": polarity,
            },
            "pattern": {
                "Description": "Where the image is unlike training images whose predicted value is "
                "not above the median, and the value depends on it: the map to look at; its size "
                "says where. " + _OUTSIDE,
                "Units": _DEPENDS,
                "Polarity": polarity,
            },
        }.get(kind, MAPS[kind])

    def to_json(self) -> dict[str, Any]:
        """Return name and value."""
        return {"Target": self.target, "PredictedValue": self.value}


@dataclass(frozen=True)
class LabelsPrediction:
    """Predicted labels, of several that do not exclude each other.

    Attributes
    ----------
    probabilities
        Of each label, by name, in the order of the labels.
    """

    probabilities: Mapping[str, float]

    target: ClassVar[str | None] = None
    exclusive: ClassVar[bool] = False
    logit_key: ClassVar[str] = "Logit"

    @property
    def text(self) -> str:
        """The labels that are more probable than not, as "edema, effusion"; or "none"."""
        return ", ".join(self._predicted) or "none"

    @property
    def confidence(self) -> float:
        """Probability of the most probable label."""
        return max(self.probabilities.values())

    @property
    def outputs(self) -> tuple[str, ...]:
        """The labels."""
        return tuple(self.probabilities)

    def chosen(self, reference: str | None) -> str:
        """Return the most probable label."""
        del reference
        return max(self.probabilities, key=lambda name: self.probabilities[name])

    def outcome(self, label: str | None) -> str:
        """Return that several labels are neither right nor wrong together."""
        del label
        return ""

    def stratum(self, label: str | None) -> str | None:
        """Return one group for all scans whose labels are known."""
        return None if label is None else "labelled"

    def describe(self, kind: str) -> dict[str, str]:
        """Return what the maps for a label are."""
        pattern = {
            "Description": "Where the image is unlike training images of which the network's "
            "output for Class is not above the median, and the decision depends on it: the map to "
            "look at; its size says where. " + _OUTSIDE,
            "Units": _DEPENDS,
            "Polarity": _FOR_CLASS,
        }
        return pattern if kind == "pattern" else MAPS[kind]

    def to_json(self) -> dict[str, Any]:
        """Return the predicted labels, and the probability of each."""
        return {
            "PredictedLabels": list(self._predicted),
            "Probabilities": dict(self.probabilities),
        }

    @property
    def _predicted(self) -> tuple[str, ...]:
        return tuple(name for name, value in self.probabilities.items() if value > _LIKELY)
