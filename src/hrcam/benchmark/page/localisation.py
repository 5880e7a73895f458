"""The chapter on localisation, by cohort."""

from collections.abc import Iterator, Mapping, Sequence

from hrcam.benchmark.page.content import Chapter
from hrcam.benchmark.page.formatting import MISSING, Pictures, cell, outcome, picture
from hrcam.benchmark.summary.cohort import CohortSummary
from hrcam.benchmark.summary.ranking import DEFAULT, UPPER_BOUND, Score, shown_settings
from hrcam.benchmark.summary.terciles import TERCILES, Property
from hrcam.benchmark.variant import Stage, Variant
from hrcam.report.page.content import Picture, Section, Table

_MORE = {
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
        "Ratio of the AUPRC of the HR-CAM pattern to that of the best rivals, by cohort.",
        "Above 1, HR-CAM is better; both maps as read, or both refined. Circles: the best rival at "
        "a single level. Squares: the best rival with all levels fused.",
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
            measures = [each for each in _MORE if one.scores.get(each)]
            if measures:
                table = _more_table(one, measures)
                sections.append(Section(f"{one.title}: further measures", table=table))
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
    sentences = [sentence for stage in Stage for sentence in _sentences(one, stage)]
    return " ".join(sentences) or "The HR-CAM pattern was not measured here."


def _sentences(one: CohortSummary, stage: Stage) -> Iterator[str]:
    default = one.score("auprc", DEFAULT.at(stage))
    if default is None:
        return
    first = f"{stage.capitalize()}, the HR-CAM pattern has an AUPRC of {cell(default.estimate)}"
    if len(default.by_seed) > 1:
        first += (
            f", with single seeds from {min(default.by_seed):.2f} to {max(default.by_seed):.2f}"
        )
    yield f"{first}."
    for fused, where in ((False, "at a single level"), (True, "with all levels fused")):
        rival = one.rival(stage, fused=fused)
        if rival is not None:
            yield (
                f"The best rival {where}, {rival.variant.setting}, has {cell(rival.estimate)}; "
                f"HR-CAM has {cell(rival.ratio)} times as much: {outcome(rival)}."
            )
    ceiling = one.score("auprc", UPPER_BOUND.at(stage))
    if ceiling is not None:
        yield (
            f"The U-Net has {cell(ceiling.estimate)}; HR-CAM reaches {cell(ceiling.ratio)} of it."
        )


def _localisation_table(one: CohortSummary) -> Table:
    rows = []
    for setting in shown_settings(one.scores["auprc"]):
        cells = [setting.setting]
        for variant in map(setting.at, Stage):
            auprc, pointing = one.score("auprc", variant), one.score("pointing", variant)
            ratio = None if auprc is None or setting == DEFAULT else auprc.ratio
            cells += [_cell(auprc), cell(ratio), _cell(pointing)]
        rows.append((*cells, str(_subjects(one, setting))))
    headers = ("AUPRC", "HR-CAM / this", "Pointing")
    return Table(
        ("Map", *(f"{each}, {stage}" for stage in Stage for each in headers), "Subjects"),
        tuple(rows),
        numeric=tuple(range(1, 8)),
        caption=(
            f"{one.title}. HR-CAM / this: paired ratio of the AUPRC of the HR-CAM pattern to that "
            "of this map at the same stage. All levels, fusions and intervals are in summary.csv."
        ),
    )


def _more_table(one: CohortSummary, measures: Sequence[str]) -> Table:
    rows = []
    for setting in shown_settings(one.scores["auprc"]):
        found = (
            one.score(measure, variant)
            for measure in measures
            for variant in map(setting.at, Stage)
        )
        rows.append((setting.setting, *(f"{each.mean:.2f}" if each else MISSING for each in found)))
    return Table(
        ("Map", *(f"{_MORE[measure]}, {stage}" for measure in measures for stage in Stage)),
        tuple(rows),
        numeric=tuple(range(1, 1 + 2 * len(measures))),
    )


def _cell(score: Score | None) -> str:
    return cell(score.estimate if score else None)


def _subjects(one: CohortSummary, setting: Variant) -> int:
    found = (one.score("auprc", variant) for variant in map(setting.at, Stage))
    return max(score.subjects for score in found if score)


def _cohort_pictures(one: CohortSummary, pictures: Pictures) -> Iterator[Picture]:
    name, seeds = one.cohort.name, len(one.cohort.seeds)
    yield from picture(
        pictures,
        f"auprc-{name}",
        f"AUPRC of each method on {one.title}, with intervals.",
        "Hollow: as read. Filled: refined. Diamonds: HR-CAM. Circles: a rival at its best level. "
        "Squares: with all levels fused. "
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
