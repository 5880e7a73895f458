import numpy as np
import pandas as pd
import pytest

from hrcam.errors import InputError
from hrcam.evaluation.table import localisation_table
from hrcam.report.figures.scores import score_figure, score_table
from hrcam.report.figures.style import png


@pytest.fixture
def table():
    masks = np.zeros((6, 10, 10), bool)
    masks[:, 2:5, 3:6] = True
    noise = np.random.default_rng(0).normal(size=masks.shape)
    gains = {"weak": 0.5, "strong $x$": 3.0}
    stages = [
        localisation_table({name: noise + gain * masks for name, gain in gains.items()}, masks),
        localisation_table({name: noise + 2 * gain * masks for name, gain in gains.items()}, masks),
    ]
    for one, stage in zip(stages, ("as read", "refined"), strict=True):
        one["stage"] = stage
    return pd.concat(stages, ignore_index=True)


def test_the_best_method_is_on_top_with_its_interval(table):
    figure = score_figure(table)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["weak", "strong $x$"]
    np.testing.assert_allclose([dot.get_xdata()[0] for dot in axes.lines], table["auprc"])
    # Within the row of its method, what is as read is hollow and above what is refined.
    assert [dot.get_ydata()[0] for dot in axes.lines] == [0.2, 1.2, -0.2, 0.8]
    assert [dot.get_markerfacecolor() == "white" for dot in axes.lines] == [
        True,
        True,
        False,
        False,
    ]
    low, high = axes.collections[0].get_segments()[0][:, 0]
    assert (low, high) == pytest.approx((table["auprc_low"][0], table["auprc_high"][0]))
    assert axes.get_xlim() == (0, 1)
    assert png(figure, dpi=40)


def test_all_that_is_drawn_lies_inside_the_figure(table):
    table["method"] = ["a method with a very long name " * 4, "WWWWWWWWWW"] * 2
    figure = score_figure(table)
    box = figure.get_tightbbox()
    assert box.x0 >= 0
    assert box.y0 >= 0
    assert box.x1 <= figure.get_figwidth()
    assert box.y1 <= figure.get_figheight()


def test_long_names_of_methods_stay_distinct(table):
    names = [
        f"Grad-CAM++ (pytorch-grad-cam), all levels, {fusion}" for fusion in ("mean", "product")
    ]
    table["method"] = names * 2
    labels = [label.get_text() for label in score_figure(table).axes[0].get_yticklabels()]
    assert [label.replace("\n", " ") for label in labels] == names


def test_a_table_for_the_page(table):
    shown = score_table(table)
    assert shown.headers == (
        "Method", "AUPRC, as read", "AUPRC, refined", "Pointing game, as read",
        "Pointing game, refined", "Dice, as read", "Dice, refined", "Images",
    )  # fmt: skip
    assert [row[0] for row in shown.rows] == ["weak", "strong $x$"]
    for column, row in ((1, 1), (2, 3)):
        strong = table.iloc[row]
        interval = f"({strong['auprc_low']:.2f} to {strong['auprc_high']:.2f})"
        assert shown.rows[1][column] == f"{strong['auprc']:.2f} {interval}"
    assert shown.rows[1][7] == "6"


def test_refuses_a_table_without_methods():
    with pytest.raises(InputError, match="at least one method"):
        score_figure(pd.DataFrame(columns=["method", "auprc"]))
