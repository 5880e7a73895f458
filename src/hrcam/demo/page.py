"""The report of the demo."""

from collections.abc import Mapping

from hrcam.artifacts.sanity_record import Sanity
from hrcam.benchmark.variant import PATTERN, Stage, Variant
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
    standings = " ".join(_standing(result, stage, cohort.seed) for stage in Stage)
    return Page(
        title="HR-CAM on simulated brain lesions",
        summary=(
            f"A small CNN was trained on labels to classify {cohort.subjects} simulated brain "
            f"slices as with or without lesions. Its test accuracy is {accuracy:.1%}. "
            f"{standings}"
        ),
        sections=(
            Section(
                "Maps of test images",
                paragraphs=(
                    "Each map is of the class “lesion”, as read from the network; those that are "
                    "called refined are smoothed along the edges of the image, all by the same "
                    "function. HR-CAM (2019) is the method as published. The outline is the true "
                    "lesion, which no method used. Each method has one colour scale for all rows, "
                    "so that the map of the normal image in the last row is comparable.",
                ),
                pictures=(
                    Picture(
                        comparison,
                        "Test images, maps of several methods over them, and the true lesions.",
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
                    f"{len(result.indices)} test images with lesions, with 95 % intervals from a "
                    "bootstrap over subjects. Compare maps at the same stage: refinement helps "
                    "other methods, too.",
                ),
                table=score_table(table),
                pictures=(
                    Picture(scores, "AUPRC of each method as read and refined, with intervals."),
                ),
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
                    "the last level only. The evidence map for the logits, the contributions to a "
                    "decision, is therefore its CAM, with the same coarse resolution. The head of "
                    "HR-CAM (2019) learns labels from all levels, and the pattern map reads the "
                    "finer levels, too, which localise the lesion.",
                ),
                table=_levels_table(explainer),
            ),
        ),
        versions=versions,
        seed=cohort.seed,
    )


def _standing(result: ExperimentResult, stage: Stage, seed: int) -> str:
    ours = result.auprc[Variant(PATTERN, stage=stage)].mean()
    best = compare_with_best_rival(result.auprc, stage, seed)
    return (
        f"{stage.capitalize()}, the HR-CAM pattern localises the lesions with a pixel AUPRC of "
        f"{ours:.2f}, {best.ratio:.2f} times ({best.low:.2f} to {best.high:.2f}, paired) that of "
        f"the best rival at its best level or fusion, {best.rival.setting}."
    )


def _levels_table(explainer: HRCAM) -> Table:
    rows = tuple(
        (level.name, str(level.channels), " × ".join(map(str, level.size)))
        for level in explainer.levels
    )
    return Table(("Level", "Channels", "Size"), rows, numeric=(1,))
