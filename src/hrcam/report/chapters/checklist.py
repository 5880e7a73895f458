"""Reporting checklists, filled in from the files of a run: CLAIM 2024 and CONSORT-AI.

Topics are abbreviated; the wording of the published checklists applies.
"""

from hrcam.artifacts.maps_folder import MapsFolder
from hrcam.artifacts.run_folder import RunFolder
from hrcam.report.chapters.model_card import (
    AUTHORS,
    INTENDED_USE,
    data_text,
    head_text,
    initialisation_text,
    networks_text,
    settings_text,
    software_text,
    training_text,
)
from hrcam.report.chapters.predicted import Predicted
from hrcam.report.page.content import Section, Table
from hrcam.report.page.text import count, plain, settings

_CLAIM = (
    "AI named in title or abstract",
    "Structured summary",
    "Background and intended use",
    "Aims and hypotheses",
    "Prospective or retrospective",
    "Goal of the study",
    "Sources of the data",
    "Inclusion and exclusion",
    "Preprocessing",
    "Choice of subsets of the data",
    "De-identification",
    "Missing data",
    "Acquisition protocol",
    "How the reference standard was obtained",
    "Why this reference standard",
    "Who annotated",
    "Annotation of the test set",
    "Variability between and within raters",
    "Assignment to partitions",
    "Level at which partitions are disjoint",
    "Sample size",
    "Description of the model",
    "Software",
    "Initialisation",
    "Training",
    "Choice of the final model",
    "Ensembling",
    "Metrics",
    "Uncertainty and significance",
    "Robustness",
    "Explainability",
    "Evaluation on internal data",
    "Testing on external data",
    "Registration of a trial",
    "Numbers included and excluded",
    "Demographic and clinical characteristics",
    "Performance with uncertainty",
    "Diagnostic performance and its precision",
    "Failure analysis",
    "Limitations",
    "Implications for practice",
    "Protocol",
    "Availability of software, model and data",
    "Funding",
)

_CONSORT_AI = {
    "1a, b (i)": "AI and type of model in title or abstract",
    "1a, b (ii)": "Intended use in title or abstract",
    "2a (i)": "Intended use in the clinical pathway, and users",
    "4a (i)": "Inclusion and exclusion of participants",
    "4a (ii)": "Inclusion and exclusion of input data",
    "4b": "Integration into the setting of the trial",
    "5 (i)": "Version of the algorithm",
    "5 (ii)": "How input data were acquired and selected",
    "5 (iii)": "Input data that are poor or missing",
    "5 (iv)": "Handling of input by people, and their expertise",
    "5 (v)": "Output",
    "5 (vi)": "How the output led to decisions",
    "19": "Analysis of errors",
    "25": "Access to the AI or its code",
}

_CHECKED = (
    "Every file was decoded completely; damaged, truncated, incomplete or inconsistent images "
    "were refused"
)
_EXPLAINED = (
    "HR-CAM: evidence maps (their mean plus the bias is the logit) and pattern maps (where the "
    "image deviates from the reference class), from all levels of the network, at the image's "
    "resolution."
)
_CODE = "hrcam is free software (Apache-2.0). Model and data: to be filled in by the authors."


def checklist_sections(
    run: RunFolder, maps: MapsFolder | None, predicted: Predicted
) -> tuple[Section, ...]:
    """Return both checklists, filled in from files where possible."""
    claim, consort = _claim_answers(run, maps, predicted), _consort_answers(run, predicted)
    return (
        _section(
            "CLAIM 2024",
            "Checklist for Artificial Intelligence in Medical Imaging, 2024 update (Tejani et "
            "al., Radiology: Artificial Intelligence 6:e240300).",
            [
                (str(number), topic, claim.get(number, AUTHORS))
                for number, topic in enumerate(_CLAIM, start=1)
            ],
        ),
        _section(
            "CONSORT-AI",
            "For randomised trials of interventions with AI (Liu et al., Nature Medicine "
            "26:1364, 2020): its additions to CONSORT 2010. Not needed for other studies.",
            [
                (number, topic, consort.get(number, AUTHORS))
                for number, topic in _CONSORT_AI.items()
            ],
        ),
    )


def _section(name: str, source: str, rows: list[tuple[str, str, str]]) -> Section:
    filled = sum(answer != AUTHORS for _, _, answer in rows)
    return Section(
        name,
        paragraphs=(
            f"{source} Topics are abbreviated; {filled} of {len(rows)} are filled in from the "
            "files of this run, to be checked by the authors.",
        ),
        table=Table(("Item", "Topic", "This study"), tuple(rows)),
    )


def _claim_answers(run: RunFolder, maps: MapsFolder | None, predicted: Predicted) -> dict[int, str]:
    answers = {
        1: "Deep learning: a convolutional network with an HR-CAM head.",
        8: f"{_refused(run)} Clinical criteria: to be filled in by the authors.",
        9: settings_text(settings(run.preparation)),
        12: f"{_CHECKED}, and scans without a label were not used.",
        19: _partitions(run, predicted),
        20: "Participant: no participant, group or identical image is on both sides of a split.",
        22: f"Network “{networks_text(run)}”; head: {head_text(run)}",
        23: software_text(run),
        24: initialisation_text(run),
        25: training_text(run),
        26: "The weights with the lowest loss on the validation images, which are of training "
        "participants."
        if run.config.get("validation")
        else "The weights at the end of training.",
        27: _ensembles(run, predicted),
        28: predicted.metrics,
        29: predicted.intervals,
        31: _EXPLAINED,
        32: f"{plain(run.metrics.get('source'))}: {data_text(run, predicted)}",
        35: f"{data_text(run, predicted)} {_refused(run)}",
        37: predicted.measured,
        38: predicted.measured,
        43: _CODE,
    }
    if maps is not None and maps.exclusive:
        judged = f" (of the {', '.join(maps.predictors)})" if maps.predictors else ""
        wrong = sum(record.outcome == "wrong" for record in maps.records)
        answers[39] = (
            f"{wrong} of {len(maps.records)} maps are of a wrong prediction{judged}; choose "
            "“wrong” above the maps to see them. Their analysis: to be filled in by the authors."
        )
    return answers


def _consort_answers(run: RunFolder, predicted: Predicted) -> dict[str, str]:
    return {
        "1a, b (i)": "A convolutional network with an HR-CAM head.",
        "2a (i)": f"{INTENDED_USE} Pathway: to be filled in by the authors.",
        "4a (ii)": f"{_CHECKED}. {_refused(run)}",
        "5 (i)": software_text(run),
        "5 (iii)": f"{_CHECKED}, with the reason for each listed in this report.",
        "5 (v)": predicted.output,
        "19": f"{predicted.errors}; analysis to be filled in by the authors.",
        "25": _CODE,
    }


def _refused(run: RunFolder) -> str:
    scans = {row.scan or row.file for row in run.refused}
    return f"{count(len(scans), 'scan')} refused by the check of the files."


def _ensembles(run: RunFolder, predicted: Predicted) -> str:
    of_tested = (
        f"each tested scan has one network of each of {run.repeats} repeats, whose metrics are "
        "averaged, and its maps are means over these networks"
        if run.repeats > 1
        else "each tested scan has one network"
    )
    return (
        f"None for the metrics: {of_tested}. {predicted.averaged} of new scans are means over "
        "the networks of all folds."
    )


def _partitions(run: RunFolder, predicted: Predicted) -> str:
    folds = int(run.manifest.get("folds", 1)) // run.repeats
    if column := run.config.get("leave_out"):
        return f"Each of {folds} values of the column {column} in turn is left out and tested."
    times = f"repeated {run.repeats} times with other" if run.repeats > 1 else ""
    if folds > 1:
        repeated = f", {times} folds" if times else ""
        return (
            f"Cross-validation with {folds} folds, stratified by {predicted.strata} and grouped by "
            f"participant{repeated}."
        )
    repeated = f", {times} seeds" if times else ""
    return (
        f"One split into training, validation and test, given by the table of the cohort{repeated}."
    )
