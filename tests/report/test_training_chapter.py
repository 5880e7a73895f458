"""Losses by epoch: read from the folds, drawn, and the epoch that was kept."""

from dataclasses import replace

import pytest
from report_folders import write_run

from hrcam.artifacts.run_folder import read_run, write_learning_curve
from hrcam.artifacts.run_tables import EpochLosses, encode_history, read_history
from hrcam.errors import InputError
from hrcam.evaluation.worth import curve_statement
from hrcam.report.chapters.training import training_chapter
from hrcam.report.figures.learning import learning_figure
from hrcam.report.figures.losses import loss_figure

FIRST = (EpochLosses(1, 0.7, 0.8), EpochLosses(2, 0.5, 0.6), EpochLosses(3, 0.4, 0.65))
SECOND = (EpochLosses(1, 0.75, 0.7),)


def test_the_chapter_names_the_epoch_that_was_kept(pictures, tmp_path):
    run = replace(read_run(write_run(tmp_path / "run", pictures)), histories=(FIRST, (), SECOND))
    (chapter,) = training_chapter(run)
    losses, by_fold = chapter.sections
    assert losses.pictures[0].caption == "Losses by epoch, a line for each of 2 folds."
    assert by_fold.table.rows == (
        ("1", "3", "0.400", "2", "0.600"),
        ("3", "1", "0.750", "1", "0.700"),
    )
    folds = [{"left_out": name} for name in ("Bonn", "Delhi", "Ulm")]
    named = replace(run, metrics={"network": {"folds": folds}})
    (chapter,) = training_chapter(named)
    assert [row[0] for row in chapter.sections[1].table.rows] == ["Bonn", "Ulm"]
    alone = tuple(replace(one, validation_loss=None) for one in FIRST)
    (chapter,) = training_chapter(replace(run, histories=(alone,)))
    assert "no validation part" in chapter.sections[0].paragraphs[0]
    assert chapter.sections[1].table.rows == (("1", "3", "0.400"),)
    assert training_chapter(replace(run, histories=((),))) == []


def test_the_learning_curve_says_what_twice_the_subjects_bring(pictures, tmp_path):
    run = read_run(write_run(tmp_path / "run", pictures))
    assert run.learning_curve == {}
    curve = {
        "tells": True,
        "measured": [point(16, 0.7), point(32, 0.76), point(64, 0.8)],
        "fitted": [point(number, 0.8) for number in (16, 32, 64, 128)],
        "rise": estimate(0.1, 0.02, 0.18),
        "twice": point(128, 0.83),
        "gain": estimate(0.03, 0.01, 0.06),
    }
    write_learning_curve(tmp_path / "run", curve)
    run = read_run(tmp_path / "run")
    assert run.learning_curve == curve
    (chapter,) = training_chapter(run)
    (section,) = chapter.sections
    assert section.paragraphs[0] == (
        "With 128 training subjects in place of 64 an AUC of 0.83 (0.73 to 0.93) is expected, a "
        "gain of 0.03 (0.01 to 0.06)."
    )
    assert [row[0] for row in section.table.rows] == ["16", "32", "64", "128 (expected)"]
    measured, beyond, dots = learning_figure(curve).axes[0].lines
    assert dots.get_xdata().tolist() == [16, 32, 64]
    assert (measured.get_xdata().max(), beyond.get_xdata().tolist()) == (64, [64, 128])
    flat = curve | {"tells": False, "rise": estimate(0.02, -0.04, 0.08)}
    assert curve_statement(flat) == (
        "The learning curve cannot tell what more subjects would bring: from 16 to 64 training "
        "subjects the AUC changes by 0.02 (-0.04 to 0.08)."
    )
    (chapter,) = training_chapter(replace(run, learning_curve=flat))
    assert len(chapter.sections[0].table.rows) == 3
    (dots,) = learning_figure(flat).axes[0].lines
    assert dots.get_xdata().tolist() == [16, 32, 64]


def estimate(value, low, high):
    return {"value": value, "low": low, "high": high, "undefined": 0}


def point(subjects, auc):
    return {"subjects": subjects, "auc": estimate(auc, auc - 0.1, auc + 0.1)}


def test_curves_are_those_of_the_table():
    (axes,) = loss_figure([FIRST, SECOND]).axes
    training, validation, dot, *_ = axes.lines
    assert axes.get_ylabel() == "Loss (logarithmic)"
    above = {text.get_text(): text.get_position()[1] for text in axes.texts}
    assert above == {"training": 1.03, "validation": 1.03}  # where no line is
    assert training.get_xydata().tolist() == [[1, 0.7], [2, 0.5], [3, 0.4]]
    assert validation.get_xydata().tolist() == [[1, 0.8], [2, 0.6], [3, 0.65]]
    assert dot.get_xydata().tolist() == [[2, 0.6]]


def test_a_table_of_losses_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "history.tsv"
    assert read_history(path) == ()
    path.write_bytes(encode_history([vars(one) for one in FIRST] + [{"epoch": 4, "loss": 0.3}]))
    assert read_history(path) == (*FIRST, EpochLosses(4, 0.3, None))
    path.write_text(path.read_text().replace("0.65", "much"))
    with pytest.raises(InputError, match="no number"):
        read_history(path)
