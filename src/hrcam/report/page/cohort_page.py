"""What the report of a cohort consists of."""

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
        In percent of the whole width.
    negative
        Whether it goes to the left.
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
        Name of the scan, and what else there is to say of it.
    label, predicted, map_class
        Names of classes; the label is "" where it is not known.
    outcome
        "correct", "wrong" or "unlabelled"; "" for maps that are not of one scan.
    predictor
        Who predicted: "network" or "HR-CAM head"; "" where that is not known.
    seen
        Whether the networks were trained on this scan.
    confidence
        Probability of the predicted class.
    probabilities, levels
        Bars.
    notes
        Sentences below the maps.
    grid
        JSON: shape, affine, whether that is in mm, where the crosshair starts, and for each map
        the size of its steps, its unit and where its colours end (null: where the viewer's do).
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
        Where the colours of each kind of map end.
    classes
        True classes to filter by; empty for no filters.
    volumes
        Whether cards have three planes.
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
        """Whether networks were trained on some scans and not on others."""
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
        Whether the sections are closed at first: long, and rarely read.
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
    title, lead
        Its title and one paragraph.
    chapters
        In order.
    warnings
        What the training warned of, on top of all.
    doubts
        Checks that the maps failed, on top too.
    versions, seed
        For the footer.
    """

    title: str
    lead: str
    chapters: tuple[Chapter, ...]
    warnings: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)
    seed: int | None = None
