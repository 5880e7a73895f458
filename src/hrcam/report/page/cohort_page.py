"""The elements of the report of a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from hrcam.report.figures.charts import Chart, Confusion
from hrcam.report.page.content import Section


@dataclass(frozen=True)
class Bar:
    """One bar of a small chart.

    Attributes
    ----------
    name, value
        Texts.
    start, width
        Position and length in percent of the full width.
    negative
        Whether the bar extends to the left.
    """

    name: str
    value: str
    start: float
    width: float
    negative: bool = False


@dataclass(frozen=True)
class Card:
    """One image with its maps, as the viewer shows it.

    Attributes
    ----------
    title, subtitle
        Name of the scan, and a line below it.
    label, predicted, map_class
        Names of classes; the label is "" if unknown.
    outcome
        "correct", "wrong" or "unlabelled"; "" for maps that are not of one scan.
    predictor
        Source of the prediction: "network" or "HR-CAM head"; "" if unknown.
    seen
        Whether the networks were trained on this scan.
    confidence
        Probability of the predicted class.
    probabilities, levels
        Bars.
    notes
        Sentences below the maps.
    grid
        JSON: shape, affine, whether it is in mm, initial position of the crosshair, and for each
        map its quantisation step, unit and limit of the colour scale (null: that of the viewer).
    samples
        JSON: packed image and maps.
    """

    title: str
    grid: str
    samples: Markup
    subtitle: str = ""
    label: str = ""
    predicted: str = ""
    map_class: str = ""
    outcome: str = ""
    predictor: str = ""
    seen: bool = False
    confidence: float = 0.0
    probabilities: tuple[Bar, ...] = ()
    levels: tuple[Bar, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class MapViewer:
    """Cards with common controls.

    Attributes
    ----------
    name
        Unique on the page, of letters only.
    cards
        In order.
    limits
        Limit of the colour scale of each kind of map.
    classes
        True classes to filter by; empty to show no filter.
    volumes
        Whether cards show three planes.
    """

    name: str
    cards: tuple[Card, ...]
    limits: Mapping[str, float]
    classes: tuple[str, ...] = ()
    volumes: bool = False

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes that occur."""
        return tuple(dict.fromkeys(card.outcome for card in self.cards))

    @property
    def mixed(self) -> bool:
        """Whether the networks were trained on some of the scans only."""
        return len({card.seen for card in self.cards}) > 1


@dataclass(frozen=True)
class Chapter:
    """A part of the report, with its own entry in the navigation.

    Attributes
    ----------
    identifier
        Unique on the page, for links.
    heading
        Its title.
    introduction
        Paragraphs.
    charts, confusions
        Drawn after the first section.
    viewer
        Below the introduction.
    sections
        With tables and lists.
    folded
        Whether the sections are collapsed at first.
    """

    identifier: str
    heading: str
    introduction: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    viewer: MapViewer | None = None
    sections: tuple[Section, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class CohortPage:
    """The report of a cohort.

    Attributes
    ----------
    title, summary
        Title, and one paragraph below it.
    chapters
        In order.
    warnings
        Warnings of the training, shown first.
    failed_checks
        Sanity checks that the maps failed, shown next.
    versions, seed
        For the footer.
    """

    title: str
    summary: str
    chapters: tuple[Chapter, ...]
    warnings: tuple[str, ...] = ()
    failed_checks: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
