"""Losses by epoch: read from the folds, drawn, and the epoch that was kept."""

from dataclasses import replace

import pytest
from report_folders import write_run

from hrcam.artifacts.run_folder import read_run
from hrcam.artifacts.run_tables import EpochLosses, encode_history, read_history
from hrcam.errors import InputError
from hrcam.report.chapters.training import training_chapter
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
    alone = tuple(replace(one, validation_loss=None) for one in FIRST)
    (chapter,) = training_chapter(replace(run, histories=(alone,)))
    assert "no validation part" in chapter.sections[0].paragraphs[0]
    assert chapter.sections[1].table.rows == (("1", "3", "0.400"),)
    assert training_chapter(replace(run, histories=((),))) == []


def test_curves_are_those_of_the_table():
    training, validation, dot, *_ = loss_figure([FIRST, SECOND]).axes[0].lines
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
