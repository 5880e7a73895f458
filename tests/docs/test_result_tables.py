"""The tables of the documentation say what the files of measurements say."""

import re
import runpy
from pathlib import Path

import pytest
from doc_pages import pages, read

from hrcam.benchmark.variant import EVIDENCE, PATTERN, Stage, Variant

SCRIPT = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks" / "result_tables.py"))
TABLES = SCRIPT["tables"]()
MARKED = [page for page in pages() if "<!-- table: " in read(page)]


@pytest.mark.parametrize("page", MARKED)
def test_tables_of_a_page_are_those_of_the_files(page):
    assert SCRIPT["fill"](read(page), TABLES) == read(page), (
        "run python benchmarks/result_tables.py"
    )


def test_every_table_is_on_a_page():
    shown = [name for page in MARKED for name in re.findall(r"<!-- table: (.+?) -->", read(page))]
    assert sorted(shown) == sorted(TABLES)


def test_a_changed_number_is_noticed():
    page = read("results")
    assert SCRIPT["fill"](page.replace("0.78", "0.79"), TABLES) == page


def test_every_set_of_measurements_says_how_it_was_made():
    for path in SCRIPT["RESULTS"].glob("*.csv"):
        about = SCRIPT["json"].loads(path.with_suffix(".json").read_text(encoding="utf-8"))
        assert about.get("commands") or about["notes"], path.name
        assert about.keys() & {"versions", "code"}, path.name


def test_an_interval_that_is_not_known_is_left_out():
    number = SCRIPT["Number"]
    assert str(number(0.725, 0.7, 0.751)) == "0.72 (.70–.75)"
    assert str(number(1.0)) == "1.00"


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Measurements of one cohort, from a file of ours."""

    def write(lines):
        (tmp_path / "one.json").write_text('{"title": "One", "cohorts": {"a": "a"}}')
        (tmp_path / "one.csv").write_text("\n".join(lines))
        monkeypatch.setitem(SCRIPT["Measurements"].__init__.__globals__, "RESULTS", tmp_path)
        return SCRIPT["Measurements"]("one")

    return write


def test_the_best_rival_is_the_one_closest_to_hrcam_at_the_same_stage(measured):
    one = measured(
        [
            "cohort,method,level,fusion,stage,measure,mean,low,high,"
            "ratio_of_default,ratio_low,ratio_high",
            "a,HR-CAM pattern,,,as read,auprc,0.6,,,1,,",
            "a,HR-CAM pattern,,,refined,auprc,0.7,,,1,,",
            "a,HR-CAM (2019),,,as read,auprc,0.1,,,6,,",
            "a,LayerCAM,fine,,as read,auprc,0.5,,,1.2,,",
            "a,LayerCAM,,mean,as read,auprc,0.4,,,1.5,,",
            "a,LayerCAM,,mean,refined,auprc,0.65,,,1.08,,",
        ]
    )
    best = {stage: one.best_rival("a", stage) for stage in Stage}
    assert best[Stage.AS_READ].variant == Variant("LayerCAM", "fine")
    assert best[Stage.REFINED].variant == Variant("LayerCAM", "", "mean", Stage.REFINED)
    assert best[Stage.REFINED].ratio.value == 1.08
    rows = SCRIPT["maps_table"](one, "a").splitlines()[2:]
    assert rows[0] == "| HR-CAM pattern | 0.60 | – | – | 0.70 | – | – |"
    assert "| LayerCAM, fine | 0.50 | – | 1.20 | – | – | – |" in rows
    assert "| LayerCAM, all levels, mean | 0.40 | – | 1.50 | 0.65 | – | 1.08 |" in rows
    assert "| HR-CAM (2019) | 0.10 | – | 6.00 | – | – | – |" in rows


def test_ratios_of_unequal_stages_are_left_out(measured):
    one = measured(
        [
            "cohort,method,level,fusion,measure,mean,low,high,ratio_of_default,ratio_low,ratio_high",
            "a,HR-CAM pattern,,,auprc,0.7,,,1,,",
            "a,HR-CAM evidence,,,auprc,0.1,,,7,,",
            "a,LayerCAM,fine,,auprc,0.5,,,1.4,,",
        ]
    )
    best = one.best_rival("a", Stage.AS_READ)
    assert (best.variant, best.ratio) == (Variant("LayerCAM", "fine"), None)
    assert one.best_rival("a", Stage.REFINED) is None
    assert one.score("a", "auprc", Variant(PATTERN, stage=Stage.REFINED)).mean.value == 0.7
    assert one.score("a", "auprc", Variant(PATTERN)) is None
    assert one.score("a", "auprc", Variant(EVIDENCE)).mean.value == 0.1
