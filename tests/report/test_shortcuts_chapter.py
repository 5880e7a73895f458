"""The chapter on shortcuts: what is as good as the network is said first, and nobody is named."""

from types import SimpleNamespace

from hrcam.artifacts.shortcut_table import ShortcutRow, encode_shortcuts, read_shortcuts
from hrcam.report.chapters.shortcuts import shortcut_warnings, shortcuts_chapter

ON = {"scans": 90, "participants": 30}
AGE = ShortcutRow(
    "column age", "all", 0.61, 0.5, 0.7, 0.9, 0.29, 0.1, 0.4, "", **ON, detail="a: median 4"
)
KIND = ShortcutRow(
    "kind of group", "all", 0.8, 0.7, 0.9, 0.9, 0.1, 0.06, 0.2, "strong", **ON, detail="D6: a 3"
)
OF_B = ShortcutRow(
    *("kind of group", "b", 0.93, 0.9, 1.0, 0.92, -0.01, -0.1, 0.1, "as the network"),
    **ON,
    detail="D6: a 3",
)
SIZE = ShortcutRow(
    "image size", "all", None, None, None, 0.9, None, None, None, "", **ON, detail=""
)
ROWS = (AGE, KIND, OF_B, SIZE)


def run(rows, leave_out=None):
    return SimpleNamespace(shortcuts=rows, config={"leave_out": leave_out})


def test_the_table_is_sorted_and_says_what_is_warned_of():
    (chapter,) = shortcuts_chapter(run(ROWS))
    table = chapter.sections[0].table
    assert table.headers == ("Source", "Class", "AUC", "Network − source", "Warning")
    assert [row[:2] for row in table.rows] == [
        *(("kind of group", "b"), ("kind of group", "mean of all"), ("column age", "mean of all")),
        ("image size", "mean of all"),
    ]
    *numbers, warning = table.rows[0][2:]
    assert numbers == ["0.93 (0.90\u00a0to\u00a01.00)", "−0.01 (−0.10\u00a0to\u00a00.10)"]
    assert warning == "as good as the network"
    assert table.rows[3][2:] == ("n/a", "n/a", "")
    assert "90 scans of 30 participants" in table.caption
    assert chapter.sections[1].points == ("kind of group: D6: a 3", "column age: a: median 4")


def test_without_warnings_there_is_no_column_of_them_and_what_is_left_out_is_no_source():
    (chapter,) = shortcuts_chapter(run((AGE, SIZE), "zentrum"))
    table = chapter.sections[0].table
    assert table.headers == ("Source", "AUC", "Network − source")
    assert table.rows[1] == ("image size", "n/a", "n/a")
    assert "The column zentrum itself is not measured" in table.caption


def test_a_source_as_good_as_the_network_is_a_warning_of_the_page():
    (text,) = shortcut_warnings(run(ROWS))
    assert text.startswith(
        "the kind of group alone predicts “b” nearly as well as the network: AUC"
    )
    assert shortcut_warnings(run(None)) == ()


def test_a_small_cohort_is_said_not_to_be_measured_and_an_old_run_has_no_chapter():
    (chapter,) = shortcuts_chapter(run(()))
    assert "Not measured" in chapter.introduction[0]
    assert shortcuts_chapter(run(None)) == []


def test_rows_are_read_as_they_are_written(tmp_path):
    path = tmp_path / "shortcuts.tsv"
    assert read_shortcuts(path) is None
    path.write_bytes(encode_shortcuts(ROWS))
    assert read_shortcuts(path) == ROWS
