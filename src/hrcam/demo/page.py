"""What the demo's report says."""

from collections.abc import Mapping

from hrcam.artifacts.sanity_record import Sanity
from hrcam.benchmark.contest import PATTERN, lead
from hrcam.demo.study import Study
from hrcam.explainer import HRCAM
from hrcam.report.chapters.sanity import sanity_section
from hrcam.report.figures.scores import score_table
from hrcam.report.page.content import Page, Picture, Section, Table
from hrcam.simulate import LesionCohort


def demo_page(
    cohort: LesionCohort,
    study: Study,
    comparison: bytes,
    scores: bytes,
    sanity: Sanity,
    versions: Mapping[str, str],
) -> Page:
    """Return the page: what was done, the maps, their checks, the table, the levels."""
    table, accuracy, explainer = study.table, study.accuracy, study.explainer
    pattern = table.set_index("method").loc[PATTERN]
    best = lead(study.scores, fused=False, seed=cohort.seed)
    verdict = "ahead of" if best.ratio > 1 else "behind"
    return Page(
        title="HR-CAM on simulated brain lesions",
        lead=(
            f"A small CNN learnt to tell {cohort.subjects} simulated brain slices with lesions "
            f"from those without, from the labels alone. On test images it is right in "
            f"{accuracy:.1%}. The HR-CAM pattern map finds the lesions with a pixel AUPRC of "
            f"{pattern['auprc']:.2f} ({pattern['auprc_low']:.2f} to {pattern['auprc_high']:.2f}): "
            f"{best.ratio:.2f} times ({best.low:.2f} to {best.high:.2f}, paired) that of the best "
            f"rival at its best level, {best.rival.name}, and so {verdict} it."
        ),
        sections=(
            Section(
                "Maps of test images",
                paragraphs=(
                    "Each map is of the class “lesion”. The outline is the true lesion, which no "
                    "method has seen. Each method has one colour scale for all rows, so that the "
                    "map of the normal image in the last row looks as faint as it is.",
                ),
                pictures=(
                    Picture(
                        comparison,
                        "Test images, the maps of five methods over them, and the true lesions.",
                    ),
                ),
            ),
            sanity_section(sanity),
            Section(
                "How well each method finds the lesions",
                paragraphs=(
                    "AUPRC: pixel-wise average precision of the map against the mask. Pointing: "
                    "share of images whose maximum lies in a lesion. Dice: at one threshold, "
                    "chosen on the other half of the images. Means over "
                    f"{int(pattern['images'])} test images with lesions, with 95 % intervals "
                    "from a bootstrap over subjects.",
                ),
                table=score_table(table),
                pictures=(Picture(scores, "AUPRC of each method with its interval."),),
                note=(
                    "The level and the fusion of each rival are the best of all, chosen with the "
                    "masks: an advantage that a user without masks does not have. HR-CAM uses "
                    "all levels, and nothing is chosen with a mask."
                ),
            ),
            Section(
                "The levels that HR-CAM reads",
                paragraphs=(
                    "The head was fitted to the CNN's own logits on the training images, and "
                    f"predicts them with R² = {explainer.fidelity:.3f} on held-out folds. In the "
                    "pattern map all levels count alike.",
                    "This CNN ends in a global mean and one linear layer: its logits are made of "
                    "the last level alone. The evidence map, which shows what a decision is made "
                    "of, is therefore its CAM and as coarse, as it has to be. Where the lesion "
                    "is, the finer levels know; the pattern map asks them.",
                ),
                table=_levels_table(explainer),
            ),
        ),
        versions=versions,
        seed=cohort.seed,
    )


def _levels_table(explainer: HRCAM) -> Table:
    rows = tuple(
        (level.name, str(level.channels), " × ".join(map(str, level.size)))
        for level in explainer.levels
    )
    return Table(("Level", "Channels", "Size"), rows, numeric=(1,))
