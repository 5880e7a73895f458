"""The chapters on predictions, faithfulness, sanity and robustness."""

from collections.abc import Iterable, Mapping, Sequence

from hrcam.benchmark.page.content import Chapter
from hrcam.benchmark.page.formatting import MISSING, Pictures, cell, picture
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.goals import SSIM
from hrcam.benchmark.summary.predictors import METRICS
from hrcam.benchmark.summary.ranking import blurred, is_control
from hrcam.benchmark.variant import Variant
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import minus

_FAITHFULNESS = {
    "insertion": "Insertion",
    "deletion": "Deletion",
    "logit_drop": "Drop of the logit",
}
_SANITY = {
    "randomised_ssim": "Random weights: SSIM",
    "randomised_spearman": "Random weights: Spearman",
    "label_randomised_spearman": "Random labels: Spearman",
}
_ROBUSTNESS = {
    "repeatability": "Other seeds",
    "fold_repeatability": "Other folds",
    "reproducibility": "Another network",
    "noise_stability": "With noise",
    "shift_stability": "Shifted",
}


def prediction_chapter(summaries: Sequence[CohortSummary]) -> Chapter:
    """Return the chapter on the predictions of the CNN and HR-CAM's heads."""
    sections = []
    for one in summaries:
        rows = tuple(
            (
                each.predictor,
                *(cell(each.metrics[metric]) for metric in METRICS),
                *(cell(each.differences.get(metric)) for metric in ("accuracy", "auc")),
                f"{each.images:,}",
            )
            for each in one.predictors
        )
        headers = (
            "Predictor", *METRICS.values(), "Accuracy − CNN's", "AUC − CNN's", "Images",
        )  # fmt: skip
        table = Table(headers, rows, numeric=tuple(range(1, len(headers))))
        sections.append(Section(one.title, table=table))
    return Chapter(
        "prediction",
        "Classification performance",
        (
            "All predictions are of unseen images. The default head, “logits”, is fitted to the "
            "CNN's outputs and does not change its predictions; “labels” is fitted to the labels "
            "with a frozen CNN, as published; “joint” is trained together with the CNN. Metrics "
            "are computed per seed and averaged; differences are paired. A value has no interval "
            "if all resamples agree. The calibration error is above zero even for perfect "
            "probabilities, more so with fewer images.",
        ),
        tuple(sections),
    )


def faithfulness_chapter(summaries: Sequence[CohortSummary], pictures: Pictures) -> Chapter | None:
    """Return the chapter on perturbation scores; None if not measured."""
    sections = []
    for one in summaries:
        measures = [each for each in _FAITHFULNESS if one.scores.get(each)]
        if not measures:
            continue
        rows = tuple(
            (
                variant.name,
                *(
                    _mean(one, measure, each)
                    for measure in measures
                    for each in (variant, blurred(variant))
                ),
            )
            for variant in _measured(one, measures)
            if not is_control(variant)
        )
        headers = (
            "Map",
            *(header for measure in measures for header in (_FAITHFULNESS[measure], "blurred")),
        )
        table = Table(headers, rows, numeric=tuple(range(1, len(headers))))
        figure = picture(
            pictures,
            f"faithfulness-{one.cohort.name}",
            f"Insertion and deletion of each map and its blurred copy on {one.title}.",
        )
        sections.append(Section(one.title, table=table, pictures=figure))
    if not sections:
        return None
    return Chapter(
        "faithfulness",
        "Faithfulness",
        (
            "Insertion: area under the curve of the network's probability as the map's voxels are "
            "inserted, highest first (larger is better). Deletion: as they are removed (smaller is "
            "better). Drop of the logit: without the highest 5 % of voxels (larger is better). "
            "These scores favour blurred maps in general, so each map is listed with a blurred "
            "copy: differences between maps that are not larger than that to the copy are not "
            "meaningful.",
        ),
        tuple(sections),
    )


def sanity_chapter(summaries: Sequence[CohortSummary], pictures: Pictures) -> Chapter | None:
    """Return the chapter on randomisation tests; None if not measured."""
    sections = _tables(summaries, _SANITY)
    if not sections:
        return None
    figure = picture(
        pictures,
        "randomisation",
        "SSIM with the original map as layers are randomised, from the output, by cohort.",
    )
    return Chapter(
        "sanity",
        "Sanity: randomisation tests",
        (
            "Layers of the network are randomised one after the other, from the output to the "
            "input. A map that does not change shows the image and not the network. The goal is a "
            f"final SSIM below {SSIM}, of maps as read: refined ones follow the edges of the image "
            "whatever the network. HR-CAM is refitted to each network, as a user would do; "
            "“head kept” is without refitting. A network trained on permuted labels has learnt "
            "nothing about the classes, so its maps should differ as well.",
        ),
        (*([Section("", pictures=figure)] if figure else []), *sections),
    )


def robustness_chapter(summaries: Sequence[CohortSummary]) -> Chapter | None:
    """Return the chapter on robustness; None if not measured."""
    sections = _tables(summaries, _ROBUSTNESS)
    if not sections:
        return None
    return Chapter(
        "robustness",
        "Robustness",
        (
            "Spearman correlation of maps of the same image, inside the image: by networks with "
            "other seeds, of other folds (which were trained on the image) and of another "
            "architecture; with noise of a tenth of the image's standard deviation; and with the "
            "image shifted by two voxels.",
        ),
        tuple(sections),
    )


def _tables(summaries: Sequence[CohortSummary], titles: Mapping[str, str]) -> list[Section]:
    """Return, for each cohort, a table of variants by measures."""
    sections = []
    for one in summaries:
        measures = [each for each in titles if one.scores.get(each)]
        if not measures:
            continue
        rows = []
        for variant in _measured(one, measures):
            found = (one.score(measure, variant) for measure in measures)
            rows.append((variant.name, *(cell(each.estimate if each else None) for each in found)))
        table = Table(
            ("Map", *(titles[each] for each in measures)),
            tuple(rows),
            numeric=tuple(range(1, 1 + len(measures))),
        )
        sections.append(Section(one.title, table=table))
    return sections


def _measured(one: CohortSummary, measures: Iterable[str]) -> list[Variant]:
    return list(dict.fromkeys(variant for measure in measures for variant in one.scores[measure]))


def _mean(one: CohortSummary, measure: str, variant: Variant) -> str:
    score = one.score(measure, variant)
    return MISSING if score is None else minus(f"{score.mean:z.2f}")
