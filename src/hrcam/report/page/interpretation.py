"""How to read the maps: the one text that every report carries."""

from hrcam.report.page.content import Section, Table

INTERPRETATION = Section(
    heading="What these maps show and what they do not",
    paragraphs=(
        "Each image has two maps for each class. They answer different questions, and both are "
        "signed: positive speaks for the class, negative against it. In the pattern the size says "
        "where to look, be it warm or cold.",
    ),
    table=Table(
        headers=("Map", "What it shows", "Values"),
        rows=(
            (
                "Evidence",
                "What the decision is made of: how much each place adds to the class or takes "
                "away from it.",
                "Logit units. Their mean over the image, plus the bias, is exactly the logit of "
                "the fitted head.",
            ),
            (
                "Pattern",
                "Where the image is unlike images of the class that it is compared with, in what "
                "tells the two classes apart. The map to look at for localisation.",
                "Standard deviations from what those images have, at the same place and anywhere, "
                "spread between places of the image that look alike: so it follows edges of the "
                "image. Comparable between places and between images, not between methods. Warm "
                "is more like the class, cold less; both are findings.",
            ),
        ),
    ),
    points=(
        "Neither map shows cause: changing the tissue at a bright place need not change the "
        "disease, nor the decision.",
        "Neither map is a segmentation: its edge is not the edge of the lesion, and its area is "
        "not a volume.",
        "The map of a wrong prediction explains the wrong prediction.",
        "Confounders light up as well as pathology: a scanner, a marker, a coil, a difference in "
        "age or in head size.",
        "No map is evidence that the network is right, however plausible it looks. That takes "
        "images from elsewhere, with a known truth.",
    ),
)
