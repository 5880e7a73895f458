"""The elements of the report of a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hrcam.report.figures.charts import Chart, Confusion
from hrcam.report.page.content import Section

OUTLINES = ("findings", "truth", "grid")
"""What is drawn as outlines: regions that were found, true masks, what the network saw."""


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
        Names of classes, or of a regression the true value, the predicted one and the name of the
        value; the label is "" if unknown.
    outcome
        "correct", "wrong" or "unlabelled"; "" for maps that are not of one scan, and of a value.
    predictor
        Source of the prediction: "network" or "HR-CAM head"; "" if unknown.
    seen
        Whether the networks were trained on this scan.
    confidence
        Probability of the predicted class, or the predicted value.
    probabilities
        Bars.
    levels
        Bars of each class that there is a map for.
    warning
        Why the maps are not to be trusted; "" where nothing speaks against them.
    notes
        Sentences below the maps.
    grid
        JSON: shape, affine, whether it is in mm, first position of the crosshair, range and window
        of the image, and of each map, by class and kind, its quantisation step, unit and limit of
        the colour scale (null: that of the viewer).
    layers
        Packed samples of the image ("image"), of the true mask ("truth"), of the part that the
        network saw ("grid"), and of the findings and maps ("findings" or the kind, a colon and the
        class).
    sided
        Whether left and right of the subject are known.
    """

    title: str
    grid: str
    layers: Mapping[str, str]
    subtitle: str = ""
    label: str = ""
    predicted: str = ""
    map_class: str = ""
    outcome: str = ""
    predictor: str = ""
    seen: bool = False
    confidence: float = 0.0
    probabilities: tuple[Bar, ...] = ()
    levels: Mapping[str, tuple[Bar, ...]] = field(default_factory=dict)
    warning: str = ""
    notes: tuple[str, ...] = ()
    sided: bool = False

    @property
    def outlines(self) -> frozenset[str]:
        """Which of `OUTLINES` it has."""
        return frozenset(name.partition(":")[0] for name in self.layers) & frozenset(OUTLINES)


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
    thresholds
        Shares of the limits below which nothing is coloured at first, of each kind of map.
    total
        Number of scans in the folder, of which these are some; 0 for maps that are not of scans.
    classes
        True classes to filter by; empty to show no filter.
    volumes
        Whether cards show three planes.
    values
        Whether a value is predicted, which is neither right nor wrong.
    """

    name: str
    cards: tuple[Card, ...]
    limits: Mapping[str, float]
    thresholds: Mapping[str, float]
    total: int = 0
    classes: tuple[str, ...] = ()
    volumes: bool = False
    values: bool = False

    @property
    def outcomes(self) -> tuple[str, ...]:
        """Outcomes that occur."""
        return tuple(dict.fromkeys(card.outcome for card in self.cards))

    @property
    def page_size(self) -> int:
        """Number of cards that are shown at a time: of scans one or two screens."""
        if not self.total:
            return len(self.cards)
        return 6 if self.volumes else 12

    @property
    def map_classes(self) -> tuple[str, ...]:
        """Classes to choose from where some scans have maps of several; else empty."""
        if all(len(card.levels) < 2 for card in self.cards):
            return ()
        return tuple(dict.fromkeys(name for card in self.cards for name in card.levels))

    @property
    def outlines(self) -> tuple[str, ...]:
        """Which of `OUTLINES` some cards have."""
        return tuple(name for name in OUTLINES if any(name in card.outlines for card in self.cards))

    @property
    def sided(self) -> bool:
        """Whether a convention for left and right applies."""
        return any(card.sided for card in self.cards)

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
