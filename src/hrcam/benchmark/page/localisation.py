"""The chapter on localisation, by cohort."""

from collections.abc import Iterator, Mapping, Sequence

from hrcam.benchmark.page.content import Chapter
from hrcam.benchmark.page.formatting import MISSING, Pictures, cell, outcome, picture
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.ranking import DEFAULT, UPPER_BOUND, best_scores
from hrcam.benchmark.summary.terciles import TERCILES, Property
from hrcam.report.page.content import Picture, Section, Table

_MEASURES = {
    "pointing": "Pointing",
    "dice": "Dice",
    "iou": "IoU",
    "mass_inside": "Mass inside",
    "false_positives": "False positives",
}
_PROPERTIES: Mapping[Property, str] = {
    "lesion_share": "size of the mask (% of the image)",
    "contrast": "contrast of the mask (SD of the image)",
}


def localisation_chapter(summaries: Sequence[CohortSummary], pictures: Pictures) -> Chapter:
    """Return the chapter on localisation."""
    ratios = picture(
        pictures,
        "ratios",
        "Ratio of the AUPRC of the default HR-CAM map to that of the best rivals, by cohort.",
        "Above 1, HR-CAM is better. Circles: the best rival at a single level. Squares: the best "
        "rival with all levels fused.",
    )
    sections = [Section("", pictures=ratios)] if ratios else []
    for one in summaries:
        if one.scores.get("auprc"):
            sections.append(
                Section(
                    one.title,
                    paragraphs=(_standing(one),),
                    table=_localisation_table(one),
                    pictures=tuple(_cohort_pictures(one, pictures)),
                )
            )
            if any(one.terciles.values()):
                heading = f"{one.title}: by size and contrast"
                sections.append(Section(heading, table=_terciles_table(one)))
    return Chapter(
        "localisation",
        "Localisation of the pathology",
        (
            "AUPRC: pixel-wise average precision of the map against the mask. Pointing game: "
            "share of images whose maximum lies in the mask. Dice and IoU: at a threshold chosen "
            "on other images. Mass inside: share of the map's positive values that lie in the "
            "mask. False positives: connected regions above the threshold in an image without a "
            "lesion. Means over images (averaged over seeds), with 95 % bootstrap intervals over "
            "subjects; ratios are paired.",
        ),
        tuple(sections),
    )


def _standing(one: CohortSummary) -> str:
    default = one.score("auprc")
    if default is None:
        return "The default HR-CAM pattern map was not measured here."
    first = f"The HR-CAM pattern map has an AUPRC of {cell(default.estimate)}"
    if len(default.by_seed) > 1:
        first += (
            f", with single seeds from {min(default.by_seed):.2f} to {max(default.by_seed):.2f}"
        )
    sentences = [f"{first}."]
    for rival, where in (
        (one.rival, "at a single level"),
        (one.fused_rival, "with all levels fused"),
    ):
        if rival is not None:
            sentences.append(
                f"The best rival {where}, {rival.variant.name}, has {cell(rival.estimate)}; "
                f"HR-CAM has {cell(rival.ratio)} times as much: {outcome(rival)}."
            )
    ceiling = one.score("auprc", UPPER_BOUND)
    if ceiling is not None:
        sentences.append(
            f"The U-Net has {cell(ceiling.estimate)}; HR-CAM reaches {cell(ceiling.ratio)} of it."
        )
    return " ".join(sentences)


def _localisation_table(one: CohortSummary) -> Table:
    measures = [each for each in _MEASURES if one.scores.get(each)]
    rows = []
    for each in best_scores(one.scores["auprc"]):
        ratio = MISSING if each.variant == DEFAULT else cell(each.ratio)
        cells = [each.variant.name, cell(each.estimate), ratio]
        for measure in measures:
            score = one.score(measure, each.variant)
            if score is None:
                cells.append(MISSING)
            else:
                cells.append(cell(score.estimate) if measure == "pointing" else f"{score.mean:.2f}")
        rows.append((*cells, str(each.subjects)))
    return Table(
        ("Map", "AUPRC", "HR-CAM / this", *(_MEASURES[each] for each in measures), "Subjects"),
        tuple(rows),
        numeric=tuple(range(1, len(measures) + 4)),
        caption=(
            f"{one.title}. HR-CAM / this: paired ratio of the AUPRC of the default HR-CAM pattern "
            "map to that of this one. All levels, fusions and intervals are in summary.csv."
        ),
    )


def _cohort_pictures(one: CohortSummary, pictures: Pictures) -> Iterator[Picture]:
    name, seeds = one.cohort.name, len(one.cohort.seeds)
    yield from picture(
        pictures,
        f"auprc-{name}",
        f"AUPRC of each method on {one.title}, with intervals.",
        "Diamonds: HR-CAM. Circles: a rival at its best level. Squares: with all levels fused. "
        "Dotted: model-free maps." + (" Small ticks: single seeds." if seeds > 1 else ""),
    )
    yield from picture(
        pictures,
        f"levels-{name}",
        f"AUPRC of each rival at each level on {one.title}.",
        "The effect of the choice of the level.",
    )
    yield from picture(
        pictures,
        f"terciles-{name}",
        f"AUPRC in terciles of the images of {one.title}, by size and by contrast.",
    )
    yield from picture(
        pictures,
        f"examples-{name}",
        f"Images of {one.title}, with maps over them and the masks.",
        f"{one.title}: unseen images and their maps.",
    )


def _terciles_table(one: CohortSummary) -> Table:
    parts = [(by, part) for by in TERCILES for part in one.terciles[by]]
    variants = list(dict.fromkeys(variant for _, part in parts for variant in part.auprc))
    return Table(
        ("Tercile", "Images", *(variant.name for variant in variants)),
        tuple(
            (
                f"{part.name}: {_range(by, part.low, part.high)}",
                str(part.images),
                *(cell(part.auprc.get(variant)) for variant in variants),
            )
            for by, part in parts
        ),
        numeric=tuple(range(1, 2 + len(variants))),
        caption=f"AUPRC by {' and by '.join(_PROPERTIES.values())}.",
    )


def _range(by: Property, low: float, high: float) -> str:
    if by == "lesion_share":
        return f"{100 * low:.3g} to {100 * high:.3g} %"
    return f"{low:.3g} to {high:.3g} SD"
