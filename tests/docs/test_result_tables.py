"""The tables of the documentation say what the files of measurements say."""

import re
import runpy
from pathlib import Path

import pytest
from doc_pages import pages, read

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


def test_the_best_rival_is_the_one_closest_to_hrcam():
    full = SCRIPT["Measurements"]("full")
    best = full.best_rival("neuromelanin", fused=False)
    assert (best.variant.method, best.ratio.value) == ("SmoothGrad", 1.12)
    assert full.best_rival("lesions", fused=True).variant.name == "Grad-CAM++, all levels, mean"
