"""Tables as people have them: columns of other names, semicolons, Excel workbooks."""

from datetime import date, datetime

import openpyxl
import pytest
from cohort_files import write_nifti, write_png, write_table
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort import check_cohort, open_cohort
from hrcam.cohort.opening.table import read_table
from hrcam.errors import InputError
from hrcam.mapping import open_input
from hrcam.training import TrainingConfig, train_cohort

ROWS = [
    {"Participant_ID": "007", "Diagnosis": "AD", "Label": "x", "Filename": "a.png", "Image": "-"},
    {"Participant_ID": "8", "Diagnosis": "HC", "Label": "x", "Filename": "b.png", "Image": "-"},
]
COLUMNS = {"label_column": "diagnosis", "image_column": "FileName"}


def workbook(path, rows):
    book = openpyxl.Workbook()
    for cells in rows:
        book.active.append(cells)
    book.create_sheet("legend").append(["AD", "Alzheimer's disease"])
    book.save(path)
    return path


def scans(cohort):
    return [
        (scan.participant, scan.label, scan.images["image"].name, scan.group)
        for scan in cohort.scans
    ]


@pytest.mark.parametrize(("separator", "name"), [("\t", "participants.tsv"), (";", "a list.csv")])
def test_columns_of_other_names_are_read(tmp_path, separator, name):
    path = write_table(tmp_path / name, ROWS, separator)
    expected = [("007", "AD", "a.png", "007"), ("8", "HC", "b.png", "8")]
    assert scans(open_cohort(path, **COLUMNS)) == expected
    # Without the options it is the columns of these names that count.
    assert scans(open_cohort(path)) == [("007", "x", "-", "007"), ("8", "x", "-", "8")]
    if name == "participants.tsv":
        assert scans(open_cohort(tmp_path, **COLUMNS)) == expected


def test_a_column_that_is_the_class_keeps_nobody_together(tmp_path):
    path = write_table(tmp_path / "t.csv", [{"participant_id": "p", "image": "a", "group": "AD"}])
    (scan,) = open_cohort(path, label_column="group").scans
    assert (scan.label, scan.group) == ("AD", "p")


def test_a_column_that_is_not_there_is_named_with_those_that_are(tmp_path):
    path = write_table(tmp_path / "t.csv", ROWS, ",")
    message = "no column 'dx', only participant_id, diagnosis, label, filename, image"
    with pytest.raises(InputError, match=message):
        open_cohort(path, label_column="dx")
    write_png(tmp_path / "pictures/a/1.png")
    with pytest.raises(InputError, match=r"label_column is 'dx', but .* has no table"):
        open_cohort(tmp_path / "pictures", label_column="dx")


def test_the_class_of_a_bids_data_set_may_be_in_any_column(tmp_path):
    write_nifti(tmp_path / "sub-1/anat/sub-1_T1w.nii.gz")
    rows = [{"participant_id": "sub-1", "label": "x", "dx_bl": "AD", "group": "g"}]
    write_table(tmp_path / "participants.tsv", rows)
    (scan,) = open_cohort(tmp_path, label_column="DX_bl").scans
    assert (scan.label, scan.group) == ("AD", "g")
    with pytest.raises(InputError, match="no column 'dx', only participant_id, label, dx_bl"):
        open_cohort(tmp_path, label_column="dx")


def test_the_first_sheet_of_a_workbook_is_the_table(tmp_path):
    path = workbook(
        tmp_path / "participants.xlsx",
        [
            ["Participant_ID", "image", "label", "age", "scanned", "seen", "ok", None],
            ["s1", "a.png", "AD", 71.5, datetime(2026, 11, 30), date(2026, 1, 2), True],
            [None, None, None],
            [12, "b.png", "n/a", 70.0, datetime(2026, 11, 30, 12, 30), None, False],
        ],
    )
    table = read_table(path)
    assert table.columns == ("participant_id", "image", "label", "age", "scanned", "seen", "ok")
    assert [(row.line, list(row.cells.values())) for row in table.rows] == [
        (2, ["s1", "a.png", "AD", "71.5", "2026-11-30", "2026-01-02", "true"]),
        (4, ["12", "b.png", None, "70", "2026-11-30T12:30:00", None, "false"]),
    ]
    assert scans(open_cohort(tmp_path)) == scans(open_cohort(path)) == [
        ("s1", "AD", "a.png", "s1"), ("12", None, "b.png", "12"),
    ]  # fmt: skip


def test_leading_zeros_that_a_workbook_shows_are_kept(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["participant_id", "image"])
    book.active.append([7, "a.png"])
    book.active["A2"].number_format = "000"
    book.save(tmp_path / "t.xlsx")
    assert open_cohort(tmp_path / "t.xlsx").scans[0].participant == "007"


@pytest.mark.parametrize("content", [b"PK\x03\x04" + bytes(30), b"\xd0\xcf\x11\xe0", b"a,b\n", b""])
def test_what_is_no_workbook_is_refused(tmp_path, content):
    (tmp_path / "t.xlsx").write_bytes(content)
    with pytest.raises(InputError, match="is no Excel workbook, or damaged"):
        open_cohort(tmp_path / "t.xlsx")


def test_a_mapping_reads_the_columns_of_the_training_where_they_are(tmp_path):
    trained = TrainingConfig(**COLUMNS)
    path = write_table(tmp_path / "t.csv", ROWS, ";")
    assert scans(open_input(path, trained=trained))[0] == ("007", "AD", "a.png", "007")
    own = open_input(path, trained=trained, label_column="label")
    assert scans(own)[0] == ("007", "x", "a.png", "007")
    new = write_table(tmp_path / "new.csv", [{"participant_id": "9", "image": "c.png"}], ";")
    assert scans(open_input(new, trained=trained)) == [("9", None, "c.png", "9")]
    with pytest.raises(InputError, match=r"label_column is 'dx', but .* is one image"):
        open_input(write_png(tmp_path / "one.png"), label_column="dx")


def test_scans_without_labels_pass_the_check_and_cannot_be_trained_on(tmp_path):
    rows = [{"participant_id": f"p{n}", "image": f"{n}.png"} for n in range(3)]
    path = write_table(tmp_path / "t.csv", rows, ",")
    for row in rows:
        write_png(tmp_path / row["image"], int(row["image"][0]))
    report = check_cohort(open_cohort(path), workers=1)
    assert (report.refused, len(report.accepted.scans)) == ((), 3)
    result = CliRunner().invoke(app, ["check", str(path), "--workers", "1"])
    assert result.exit_code == 0
    assert "warning  cohort  no-label: no scan has a label; to train, write" in result.output
    with pytest.raises(InputError, match="has scans of 0 classes, and a classifier needs two"):
        train_cohort(open_cohort(path), tmp_path / "run", progress=False)


def test_further_columns_are_kept_where_they_have_a_value(tmp_path):
    for name in ("a.png", "b.png"):
        write_png(tmp_path / name)
    shared = {"Label": "x", "group": "g", "mask": "n/a", "split": "train"}
    rows = [
        {"participant_id": "1", "image": "a.png", **shared, "Age": "61", "site": "Pune"},
        {"participant_id": "2", "image": "b.png", **shared, "Age": "NA", "site": "Oslo"},
    ]
    cohort = open_cohort(write_table(tmp_path / "participants.tsv", rows))
    assert [scan.columns for scan in cohort.scans] == [
        {"age": "61", "site": "Pune"},
        {"site": "Oslo"},
    ]
    assert cohort.columns == ("age", "site")
