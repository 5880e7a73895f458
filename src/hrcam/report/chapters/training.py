"""The chapter on the training: losses by epoch, and the AUC by the number of subjects."""

from hrcam.artifacts.run_folder import RunFolder
from hrcam.evaluation.worth import curve_statement
from hrcam.report.figures.learning import learning_figure
from hrcam.report.figures.losses import loss_figure, lowest
from hrcam.report.figures.style import png
from hrcam.report.page.cohort_page import Chapter
from hrcam.report.page.content import Picture, Section, Table
from hrcam.report.page.text import MISSING, estimate_text, minus

_READ = (
    "Where the validation loss rises while the training loss falls, a network learns its images by "
    "heart; its weights are then those of the lowest validation loss (dot). Where both still "
    "fall at the end, more epochs would help. The training loss is of images that are changed at "
    "random and of labels that are smoothed, so it may lie above the validation loss."
)
_WITHOUT = (
    "There was no validation part: each network was trained to the end, and whether it learnt "
    "its images by heart is seen in the predictions of test images alone. Where the loss still "
    "falls at the end, more epochs may help. It is of images that are changed at random and of "
    "labels that are smoothed."
)


_LAW = " Line: the law 1 − AUC = a + b n^(−c), dashed beyond the data. Band: its 95 % interval."
_CURVE = (
    "Subjects and folds are drawn anew in each resample, and the law is fitted to each. Intervals "
    "are rather too wide than too narrow if the law holds. That the curve goes on as it began is "
    "an assumption: a network may learn a pattern suddenly, or subjects of another kind may bring "
    "more or less."
)


def training_chapter(run: RunFolder) -> list[Chapter]:
    """Return the chapter; none if the run has neither a table of losses nor a learning curve."""
    sections = [*_losses(run), *_learning_curve(run)]
    return [Chapter("training", "Training", sections=tuple(sections))] if sections else []


def _losses(run: RunFolder) -> list[Section]:
    folds = [fold for fold in run.histories if fold]
    if not folds:
        return []
    validated = any(lowest(fold) for fold in folds)
    picture = Picture(
        png(loss_figure(folds), dpi=150),
        f"{'Training and validation' if validated else 'Training'} loss of each fold by epoch",
        f"Losses by epoch, a line for each of {len(folds)} folds."
        if len(folds) > 1
        else "Losses by epoch.",
    )
    section = Section("Losses", (_READ if validated else _WITHOUT,), pictures=(picture,))
    return [section, _by_fold(run, validated)]


def _learning_curve(run: RunFolder) -> list[Section]:
    curve = run.learning_curve
    if not curve:
        return []
    picture = Picture(
        png(learning_figure(curve), dpi=150),
        "AUC of the network by the number of training subjects",
        "Dots: networks of each fold that learnt from part of its subjects. Bars: 95 % intervals."
        + (_LAW if curve["tells"] else ""),
    )
    table = Table(
        headers=("Training subjects of a fold", "AUC"),
        rows=tuple(
            (f"{point['subjects']:.0f}{note}", estimate_text(point["auc"]))
            for point, note in (
                *((point, "") for point in curve["measured"]),
                *([(curve["twice"], " (expected)")] if curve["tells"] else []),
            )
        ),
        numeric=(1,),
    )
    return [Section("Learning curve", (curve_statement(curve), _CURVE), (), table, (), (picture,))]


def _by_fold(run: RunFolder, validated: bool) -> Section:
    rows = []
    tested = run.metrics["network"]["folds"]
    left_out = {
        number: one["left_out"] for number, one in enumerate(tested, 1) if "left_out" in one
    }
    for number, fold in enumerate(run.histories, 1):
        if not fold:
            continue
        best = lowest(fold)
        chosen = (str(best.epoch), _loss(best.validation_loss)) if best else (MISSING, MISSING)
        rows.append(
            (left_out.get(number, str(number)), str(fold[-1].epoch), _loss(fold[-1].loss), *chosen)
        )
    headers = ("Fold", "Epochs", "Last training loss", "Epoch kept", "Its validation loss")
    width = len(headers) if validated else 3
    table = Table(
        headers[:width],
        tuple(row[:width] for row in rows),
        numeric=tuple(range(1, width)),
    )
    return Section("By fold", table=table)


def _loss(value: float | None) -> str:
    return MISSING if value is None else minus(f"{value:.3f}")
