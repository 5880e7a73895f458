"""What the figures show: the numbers of the summary, all of them inside the picture."""

import io

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image
from unit_folders import (
    AUPRC,
    EVIDENCE,
    FUSED,
    GRADCAM,
    LAYERCAM,
    PATTERN,
    REFINED,
    FakeUnit,
    write_unit,
)

from hrcam.benchmark.page.check_figures import (
    faithfulness_figure,
    randomisation_curves,
    randomisation_figure,
)
from hrcam.benchmark.page.figures import auprc_figure, levels_figure, ratio_figure, terciles_figure
from hrcam.benchmark.summary.cohort import summarise_cohort
from hrcam.benchmark.summary.results import finished_units, read_cohort
from hrcam.benchmark.variant import Stage, Variant
from hrcam.report.figures.style import png


def summary_of(out, *units):
    for unit in units:
        write_unit(out, unit)
    return summarise_cohort(read_cohort(finished_units(out)))


@pytest.fixture(scope="module")
def summary(tmp_path_factory):
    return summary_of(tmp_path_factory.mktemp("out"), FakeUnit(), FakeUnit(seed=1))


@pytest.fixture(scope="module")
def ultrasound(tmp_path_factory):
    unit = FakeUnit(cohort="busi", source="real", auprc=AUPRC | {PATTERN: 0.45})
    return summary_of(tmp_path_factory.mktemp("out"), unit)


def texts(figure):
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def assert_inside(figure):
    """See that nothing is cut off at the edge of the picture."""
    drawn, size = figure.get_tightbbox(), figure.get_size_inches()
    assert min(drawn.x0, drawn.y0, size[0] - drawn.x1, size[1] - drawn.y1) > -0.01


def rows_of(axes):
    """Return what stands at each row: name, and the places of its dots, hollow ones first."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    dots = {}
    for line in axes.get_lines():
        x, y = (np.atleast_1d(each) for each in line.get_data())
        if len(x) == 1 and line.get_marker() != "|":
            dots.setdefault(names[round(y[0])], []).append(float(x[0]))
            hollow = line.get_markerfacecolor() == "white"
            assert hollow == (y[0] > round(y[0]))
    return names, dots


def test_auprc_is_sorted_with_every_method_once(summary):
    figure = auprc_figure(summary)
    names, dots = rows_of(figure.axes[0])
    scores = summary.scores["auprc"]
    # From the bottom: bounds and the U-Net are lines, not rows.
    assert names == [
        "HR-CAM evidence for the logits", "Occlusion", "Grad-CAM, blocks.1", "LayerCAM, blocks.0",
        "LayerCAM, all levels, product", "HR-CAM (2019)", "HR-CAM pattern",
    ]  # fmt: skip
    assert dots == {
        each.setting: [scores[each].mean, scores[each.at(Stage.REFINED)].mean]
        for each in scores
        if each.name in names
    }
    bold = [
        label.get_text() for label in figure.axes[0].get_yticklabels()
        if label.get_fontweight() == "bold"
    ]  # fmt: skip
    assert bold == ["HR-CAM evidence for the logits", "HR-CAM (2019)", "HR-CAM pattern"]
    shown = texts(figure)
    assert any("best model-free map (edges, refined)" in text for text in shown)
    assert any("U-Net (trained on masks), refined 0.9" in text for text in shown)
    assert "lesions (simulated): localisation by each method" in shown
    assert_inside(figure)


def test_each_seed_has_its_tick(summary):
    ticks = [
        line.get_xdata() for line in auprc_figure(summary).axes[0].get_lines()
        if line.get_marker() == "|"
    ]  # fmt: skip
    assert len(ticks) == 2 * 7
    for tick, variant in zip(ticks[-2:], (PATTERN, REFINED), strict=True):
        assert tuple(tick) == summary.scores["auprc"][variant].by_seed


def test_the_lead_is_shown_against_both_rivals_at_each_stage(summary, ultrasound):
    figure = ratio_figure([summary, ultrasound])
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert [name.replace("\n", " ") for name in names] == [
        f"{title}, {stage}: LayerCAM, {where}"
        for title in ("busi (real)", "lesions (simulated)")
        for stage in ("refined", "as read")
        for where in ("all levels, product", "blocks.0")
    ]
    expected = [
        one.rival(stage, fused=fused).ratio.value
        for one in (ultrasound, summary)
        for stage in (Stage.REFINED, Stage.AS_READ)
        for fused in (True, False)
    ]
    drawn = [
        line.get_xdata()[0] for line in figure.axes[0].get_lines() if line.get_marker() in "os"
    ]
    assert drawn == expected
    assert_inside(figure)


def test_rivals_are_shown_level_by_level(summary):
    figure = levels_figure(summary)
    scores = summary.scores["auprc"]
    for axes, stage in zip(figure.axes, Stage, strict=True):
        curves = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
        for name, levels in (("Grad-CAM", GRADCAM), ("LayerCAM", LAYERCAM)):
            assert list(curves[name]) == [scores[one.at(stage)].mean for one in levels.values()]
        assert curves["HR-CAM pattern (all levels)"][0] == scores[PATTERN.at(stage)].mean
        assert axes.get_title() == stage
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        "blocks.0",
        "blocks.1",
    ]
    assert_inside(figure)


def test_no_levels_no_figure(tmp_path):
    assert levels_figure(summary_of(tmp_path, FakeUnit(auprc={PATTERN: 0.5, FUSED: 0.4}))) is None


def test_thirds_of_size_and_contrast(summary):
    figure = terciles_figure(summary)
    assert [axes.get_title() for axes in figure.axes] == [
        "Size of the mask",
        "Contrast of the mask",
    ]
    for axes, parts in zip(figure.axes, summary.terciles.values(), strict=True):
        curves = {line.get_label(): line.get_ydata() for line in axes.get_lines()}
        for variant in (PATTERN, REFINED):
            expected = [part.auprc[variant].value for part in parts]
            # Too long a name is wrapped.
            drawn = {name.replace("\n", " "): list(values) for name, values in curves.items()}
            assert drawn[variant.name] == expected
    assert_inside(figure)


def test_few_images_no_thirds(tmp_path):
    assert terciles_figure(summary_of(tmp_path, FakeUnit(subjects=8))) is None


def test_maps_stand_beside_their_blurred_copies(summary):
    figure = faithfulness_figure(summary)
    names = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert names == ["random", "LayerCAM, blocks.0", "HR-CAM pattern"]
    for axes, measure in zip(figure.axes, ("insertion", "deletion"), strict=True):
        scores = summary.scores[measure]
        dots = {
            (line.get_ydata()[0], line.get_markerfacecolor() == "white"): line.get_xdata()[0]
            for line in axes.get_lines()
            if len(line.get_xdata()) == 1
        }
        assert dots[2, False] == scores[PATTERN].mean
        assert dots[2, True] == scores[Variant("HR-CAM pattern (blurred)")].mean
    assert_inside(figure)


def test_the_cascade_runs_from_the_map_itself_to_all_random(summary):
    curves = randomisation_curves(summary)
    assert list(curves) == [PATTERN, EVIDENCE, GRADCAM["blocks.1"]]
    scores = summary.scores
    assert curves[PATTERN] == (
        (0, 1),
        (0.2, scores["randomised_ssim@0.20"][PATTERN].mean),
        (0.6, scores["randomised_ssim@0.60"][PATTERN].mean),
        (1, scores["randomised_ssim"][PATTERN].mean),
    )


@pytest.mark.parametrize("number", [1, 2, 3])
def test_the_cascades_of_all_cohorts(summary, ultrasound, number):
    figure = randomisation_figure([summary, ultrasound, summary][:number])
    assert len(figure.axes) == min(number, 2)  # one panel for each title
    drawn = figure.axes[0].get_lines()[1].get_xydata()
    assert drawn == pytest.approx(np.array(randomisation_curves(summary)[PATTERN]))
    assert_inside(figure)


def test_nothing_measured_no_figure(tmp_path):
    write_unit(tmp_path, FakeUnit())
    (folder,) = (tmp_path / "units").iterdir()
    lines = (folder / "measurements.csv").read_text().splitlines(True)
    kept = [lines[0], *(line for line in lines if ",auprc," in line)]
    (folder / "measurements.csv").write_text("".join(kept))
    summary = summarise_cohort(read_cohort(finished_units(tmp_path)))
    assert faithfulness_figure(summary) is None
    assert randomisation_figure([summary]) is None


def test_figures_are_wide_enough_to_read(summary):
    content = png(auprc_figure(summary), 160)
    width, height = Image.open(io.BytesIO(content)).size
    assert width == round(7.4 * 160)
    assert height < 2 * width


@pytest.mark.parametrize("level", ["$x_1$", "a_very_long_level_name." * 6, "<b>"])
def test_odd_names_do_not_break_a_figure(tmp_path, level):
    rival = Variant("Grad-CAM", level)
    figures = summary_of(tmp_path, FakeUnit(auprc={PATTERN: 0.5, rival: 0.4}))
    for figure in (auprc_figure(figures), levels_figure(figures), ratio_figure([figures])):
        assert png(figure).startswith(b"\x89PNG")
        # Too long a name ends with an ellipsis; no other is changed.
        assert any("Grad-CAM" in text for text in texts(figure))
        assert len(level) > 100 or any(level in text for text in texts(figure))
        assert_inside(figure)


def test_the_names_of_all_cascades_are_in_the_legend(tmp_path, summary):
    folder = write_unit(tmp_path, FakeUnit(cohort="tumours"))
    table = folder / "measurements.csv"
    table.write_text(table.read_text().replace("Grad-CAM,blocks.1", "LayerCAM,layer4"))
    tumours = summarise_cohort(read_cohort(finished_units(tmp_path)))
    for order in ([summary, tumours], [tumours, summary]):
        figure = randomisation_figure(order)
        shown = {text.get_text() for text in figure.axes[1].get_legend().get_texts()}
        assert {name.replace("\n", " ") for name in shown} == {
            "HR-CAM pattern", "HR-CAM evidence for the logits", "Grad-CAM", "LayerCAM",
        }  # fmt: skip
        assert_inside(figure)
