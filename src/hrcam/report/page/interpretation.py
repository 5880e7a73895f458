"""How to interpret the maps: a section of every report."""

from dataclasses import replace

from hrcam.report.page.content import Section, Table

INTERPRETATION = Section(
    heading="What these maps show and what they do not",
    paragraphs=(
        "Each image has two maps for each class, which answer different questions. Both are "
        "signed: positive is evidence for the class, negative against it. For localisation, read "
        "the absolute value of the pattern, warm or cold.",
    ),
    table=Table(
        headers=("Map", "What it shows", "Values"),
        rows=(
            (
                "Evidence",
                "Contribution of each position to the logit of the class. It explains the "
                "decision.",
                "Logit units. Their mean over the image, plus the bias, is exactly the logit of "
                "the fitted head.",
            ),
            (
                "Pattern",
                "Deviation from images of the reference class, in the features that separate "
                "both classes. It localises the pathology.",
                "Standard deviations from the reference images, at the same position and in the "
                "whole image, smoothed along the edges of the image. Comparable between "
                "positions and images, not between methods. Warm is more like the class, cold "
                "less; both can be pathology.",
            ),
        ),
    ),
    points=(
        "Neither map shows causes: a change of the tissue at a bright position need not change "
        "the disease or the decision.",
        "Neither map is a segmentation: its edge is not the edge of the lesion, and its area is "
        "not a volume.",
        "The map of a wrong prediction explains the wrong prediction.",
        "Confounders appear in the maps like pathology: scanner, marker, coil, age or head size.",
        "A plausible map is no evidence that the network is right. That needs external images with "
        "a known truth.",
    ),
)


_OF_LABEL = (
    "Pattern",
    "Deviation from training images of which the network's output for the label is not above the "
    "median, in the features that go with it. It localises what the label is given for.",
    "Standard deviations from these images, smoothed along the edges of the image. Comparable "
    "between positions and images, not between methods.",
)


def interpretation_of(target: str | None, *, labels: bool = False) -> Section:
    """Return the section.

    Parameters
    ----------
    target
        Name of a predicted value; None otherwise.
    labels
        Whether the maps are of several labels, not of classes.
    """
    if labels:
        assert INTERPRETATION.table is not None
        rows = (INTERPRETATION.table.rows[0], _OF_LABEL)
        return replace(INTERPRETATION, table=replace(INTERPRETATION.table, rows=rows))
    if target is None:
        return INTERPRETATION
    return Section(
        heading=INTERPRETATION.heading,
        paragraphs=(
            "Each image has two maps, which answer different questions. Both are signed: positive "
            f"speaks for a higher {target}, negative for a lower one. For localisation, read the "
            "absolute value of the pattern, warm or cold.",
        ),
        table=Table(
            headers=("Map", "What it shows", "Values"),
            rows=(
                (
                    "Evidence",
                    f"Contribution of each position to the predicted {target}.",
                    f"Units of {target}. Their mean over the image, plus the bias, is exactly the "
                    "value of the fitted head.",
                ),
                (
                    "Pattern",
                    f"Deviation from training images whose predicted {target} is not above the "
                    "median, in the features that go with it.",
                    "Standard deviations from these images, smoothed along the edges of the image. "
                    "Comparable between positions and images, not between methods.",
                ),
            ),
        ),
        points=INTERPRETATION.points,
    )
