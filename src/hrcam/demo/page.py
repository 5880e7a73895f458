"""The report of the demo."""

from collections.abc import Mapping

from hrcam.artifacts.sanity_record import Sanity
from hrcam.benchmark.variant import PATTERN
from hrcam.demo.experiment import ExperimentResult
from hrcam.demo.method_scores import compare_with_best_rival
from hrcam.explainer import HRCAM
from hrcam.report.chapters.sanity import sanity_section
from hrcam.report.figures.scores import score_table
from hrcam.report.page.content import Page, Picture, Section, Table
from hrcam.simulate import LesionCohort


def demo_page(
    cohort: LesionCohort,
    result: ExperimentResult,
    comparison: bytes,
    scores: bytes,
    sanity: Sanity,
    versions: Mapping[str, str],
) -> Page:
    """Return the page with maps, sanity checks, scores and levels."""
    table, accuracy, explainer = result.table, result.accuracy, result.explainer
    pattern = table.set_index("method").loc[PATTERN]
    best = compare_with_best_rival(result.scores, fused=False, seed=cohort.seed)
    verdict = "ahead of" if best.ratio > 1 else "behind"
    return Page(
        title="HR-CAM on simulated brain lesions",
        summary=(
            f"A small CNN was trained on labels to classify {cohort.subjects} simulated brain "
            f"slices as with or without lesions. Its test accuracy is {accuracy:.1%}. "
            f"The HR-CAM pattern map localises the lesions with a pixel AUPRC of "
            f"{pattern['auprc']:.2f} ({pattern['auprc_low']:.2f} to {pattern['auprc_high']:.2f}): "
            f"{best.ratio:.2f} times ({best.low:.2f} to {best.high:.2f}, paired) that of the best "
            f"rival at its best level, {best.rival.name}; it is {verdict} it."
        ),
        sections=(
            Section(
                "Maps of test images",
                paragraphs=(
                    "Each map is of the class “lesion”. The outline is the true lesion, which no "
                    "method used. Each method has one colour scale for all rows, so that the map "
                    "of the normal image in the last row is comparable.",
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
                "Localisation of the lesions",
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
                    "The level and fusion of each rival are selected with the masks, an advantage "
                    "that users without masks do not have. HR-CAM uses all levels."
                ),
            ),
            Section(
                "The levels that HR-CAM reads",
                paragraphs=(
                    "The head was fitted to the CNN's own logits on the training images, and "
                    f"predicts them with R² = {explainer.fidelity:.3f} on held-out folds. In the "
                    "pattern map all levels have equal weights.",
                    "This CNN ends in a global mean and one linear layer, so its logits depend on "
                    "the last level only. The evidence map, the contributions to a decision, is "
                    "therefore its CAM, with the same coarse resolution. The pattern map also uses "
                    "the finer levels, which localise the lesion.",
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
