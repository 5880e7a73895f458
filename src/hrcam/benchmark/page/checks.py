"""What the page says of predictions, faithfulness, sanity and robustness."""

from collections.abc import Iterable, Mapping, Sequence

from hrcam.benchmark.contest import Variant
from hrcam.benchmark.page.content import Chapter
from hrcam.benchmark.page.wording import MISSING, Pictures, cell, picture
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.goals import SSIM
from hrcam.benchmark.summary.predictors import METRICS
from hrcam.benchmark.summary.ranking import blurred, is_control
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
    """Say how well HR-CAM's heads predict, beside the CNN."""
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
        "Does it still predict as well?",
        (
            "Every prediction is of an image that its network had not seen. The default head, "
            "“logits”, stands in for the CNN's own outputs, so that the CNN's prediction does not "
            "change, by construction; “labels” is the paper's, fitted beside a frozen CNN; "
            "“joint” is of a CNN trained together with its head. Metrics are computed seed by "
            "seed and averaged; differences are paired, and a value stands alone where all "
            "resamples agree. The calibration error is above zero for perfect probabilities too, "
            "the more so the fewer the images.",
        ),
        tuple(sections),
    )


def faithfulness_chapter(summaries: Sequence[CohortSummary], pictures: Pictures) -> Chapter | None:
    """Say what becomes of the network's output without what the maps name."""
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
            f"Insertion and deletion of each map on {one.title}, beside blurred copies.",
        )
        sections.append(Section(one.title, table=table, pictures=figure))
    if not sections:
        return None
    return Chapter(
        "faithfulness",
        "Does the network use what the map shows?",
        (
            "Insertion: area under the network's probability as the map's voxels come in, the "
            "largest first (larger is better). Deletion: as they are taken away (smaller is "
            "better). Drop of the logit: without the largest twentieth (larger is better). Such "
            "scores favour blurred maps, whatever these show. So beside each map stands a blurred "
            "copy of it: a difference between two maps that is no larger than that between a map "
            "and its copy says nothing.",
        ),
        tuple(sections),
    )


def sanity_chapter(summaries: Sequence[CohortSummary], pictures: Pictures) -> Chapter | None:
    """Say whether maps depend on what the network has learnt."""
    sections = _tables(summaries, _SANITY)
    if not sections:
        return None
    figure = picture(
        pictures,
        "randomisation",
        "SSIM with the real map as layers are randomised, from the output on, by cohort.",
    )
    return Chapter(
        "sanity",
        "Does the map depend on what was learnt?",
        (
            "Layer by layer, from the output to the input, the network forgets what it learnt. A "
            "map that stays the same to the end shows the image and not the network. SSIM is to "
            f"end below {SSIM}. HR-CAM is fitted anew to each network, as a user would; “head "
            "kept” is without that. A network trained on randomly exchanged labels has learnt "
            "nothing of the classes: its maps should not be like the real ones either.",
        ),
        (*([Section("", pictures=figure)] if figure else []), *sections),
    )


def robustness_chapter(summaries: Sequence[CohortSummary]) -> Chapter | None:
    """Say whether the maps are the same again."""
    sections = _tables(summaries, _ROBUSTNESS)
    if not sections:
        return None
    return Chapter(
        "robustness",
        "Is the map the same again?",
        (
            "Spearman correlation of maps of the same image inside the brain or the picture: by "
            "networks trained with other seeds, on other folds (these have learnt from the "
            "image) and of another architecture; with noise of a tenth of the image's standard "
            "deviation; and shifted by two voxels and back.",
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
