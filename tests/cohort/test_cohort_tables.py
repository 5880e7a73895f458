"""Cohorts from tables: what is read, what is refused, and what a single bad row costs."""

from pathlib import Path

import pytest
from cohort_files import write_png, write_table
from hypothesis import given
from hypothesis import strategies as st

from hrcam.cohort.opening import open_cohort
from hrcam.cohort.opening.table import read_table
from hrcam.cohort.problems import Reason
from hrcam.errors import InputError


def row(participant="s1", image="a.png", **cells):
    return {"participant_id": participant, "image": image, "label": "x", **cells}


def reasons(cohort):
    return [(found.reason, found.refused) for found in cohort.problems]


def test_all_columns_of_a_table(tmp_path):
    write_table(
        tmp_path / "participants.tsv",
        [row(mask="m.png", group="family", split="Train", site="Pune", session="2", age="33")],
    )
    cohort = open_cohort(tmp_path)
    (scan,) = cohort.scans
    assert cohort.channels == ("image",)
    assert (scan.name, scan.participant, scan.label) == ("s1_ses-2", "s1", "x")
    assert scan.images == {"image": tmp_path / "a.png"}
    assert scan.mask == tmp_path / "m.png"
    assert (scan.group, scan.split, scan.site) == ("family", "train", "Pune")
    assert cohort.problems == ()


def test_missing_cells_are_none_and_the_group_is_the_participant(tmp_path):
    cells = {"mask": "n/a", "group": "", "split": "N/A", "site": " ", "session": "nan"}
    path = write_table(tmp_path / "t.tsv", [row(**{**cells, "label": "n/a"})])
    (scan,) = open_cohort(path).scans
    assert (scan.label, scan.mask, scan.split, scan.site) == (None, None, None, None)
    assert (scan.group, scan.name) == ("s1", "s1")


SPELLINGS = ["NA", "N/A", "#N/A", "NULL", "None", "<NA>", "nan", "NaN", "none", "n.a.", "#VALUE!"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_missing_values_are_missing_in_every_column_however_they_are_spelt(tmp_path, spelling):
    names = ("label", "mask", "group", "split", "site", "session")
    path = write_table(tmp_path / "t.tsv", [row(**dict.fromkeys(names, spelling))])
    (scan,) = open_cohort(path).scans
    assert (scan.label, scan.mask, scan.split, scan.site) == (None, None, None, None)
    assert (scan.group, scan.name) == ("s1", "s1")


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_people_without_an_identifier_do_not_become_one_person(tmp_path, spelling):
    rows = [row(spelling, f"{number}.png") for number in range(4)]
    cohort = open_cohort(write_table(tmp_path / "t.tsv", [row("good"), *rows, row("s2", spelling)]))
    assert [scan.name for scan in cohort.scans] == ["good"]
    assert reasons(cohort) == [(Reason.BAD_NAME, True)] * 4 + [(Reason.MISSING, True)]


def test_a_name_that_only_starts_as_a_missing_value_is_a_name(tmp_path):
    path = write_table(tmp_path / "t.tsv", [row("NA12878", label="nonexistent", site="Nancy")])
    (scan,) = open_cohort(path).scans
    assert (scan.participant, scan.label, scan.site) == ("NA12878", "nonexistent", "Nancy")


def test_identifiers_stay_text_and_cells_are_stripped(tmp_path):
    path = write_table(tmp_path / "t.tsv", [row(" 007 ", " a.png ", label=" 1 ")])
    (scan,) = open_cohort(path).scans
    assert (scan.name, scan.label, scan.images["image"].name) == ("007", "1", "a.png")


@pytest.mark.parametrize("separator", ["\t", ",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_line_endings_and_byte_order_marks(tmp_path, separator, end, mark):
    lines = [["participant_id", "image", "label"], ["s1", "a.png", "größer"], ["s2", "b.png", "k"]]
    text = mark + end.join(separator.join(line) for line in lines) + end + end
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    assert [(scan.name, scan.label) for scan in open_cohort(path).scans] == [
        ("s1", "größer"), ("s2", "k"),
    ]  # fmt: skip


def test_a_quoted_cell_may_hold_the_separator(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text('participant_id,image,label\ns1,"a,b.png",x\n')
    assert open_cohort(path).scans[0].images == {"image": tmp_path / "a,b.png"}


def test_paths_are_relative_to_the_table_or_absolute_or_lead_out(tmp_path):
    path = write_table(
        tmp_path / "tables" / "t.tsv",
        [row("s1", "a.png"), row("s2", "../b.png"), row("s3", str(tmp_path / "c.png"))],
    )
    cohort = open_cohort(path)
    images = [scan.images["image"] for scan in cohort.scans]
    assert images == [tmp_path / "tables/a.png", tmp_path / "tables/../b.png", tmp_path / "c.png"]
    assert [cohort.shown(image) for image in images] == [
        "a.png", "../b.png", str(tmp_path / "c.png"),
    ]  # fmt: skip


def test_several_images_of_a_scan_are_channels(tmp_path):
    cells = {"participant_id": "s1", "image_t1": "1.nii", "image_flair": "2.nii", "label": "x"}
    cohort = open_cohort(write_table(tmp_path / "t.tsv", [cells]))
    assert cohort.channels == ("t1", "flair")
    assert list(cohort.scans[0].images) == ["t1", "flair"]


def test_beside_an_image_column_others_are_about_it(tmp_path):
    cohort = open_cohort(write_table(tmp_path / "t.tsv", [row(image_source="archive B")]))
    assert cohort.channels == ("image",)


def test_rows_of_one_participant_are_told_apart_whatever_their_order(tmp_path):
    rows = [row("s1", "b.png"), row("s1", "a.png"), row("S1", "c.png")]
    forwards = open_cohort(write_table(tmp_path / "1.tsv", rows))
    backwards = open_cohort(write_table(tmp_path / "2.tsv", rows[::-1]))
    names = {scan.images["image"].name: scan.name for scan in forwards.scans}
    assert names == {scan.images["image"].name: scan.name for scan in backwards.scans}
    assert sorted(names.values(), key=str.casefold) == ["S1", "s1-2", "s1-3"]
    assert reasons(forwards) == [(Reason.DUPLICATE_NAME, False)]


@pytest.mark.parametrize("spelling", ["val", "Validation", "VAL"])
def test_spellings_of_validation(tmp_path, spelling):
    path = write_table(tmp_path / "t.tsv", [row(split=spelling)])
    assert open_cohort(path).scans[0].split == "validation"


def bad_tables():
    head = "participant_id\timage\tlabel\n"
    return {
        "empty": (b"", "has no rows"),
        "header only": (head.encode(), "has no rows"),
        "column twice": (b"participant_id\timage\timage\ns\ta\tb\n", "'image' twice"),
        "no image": (b"participant_id,label\ns1,x\n", "no column 'image', only participant_id"),
        "no participant": (b"id,image\ns1,a.png\n", "no column 'participant_id'"),
        "Latin-1": (f"{head}s1\ta.png\tgrößer\n".encode("latin-1"), "line 2: byte 0xf6 is not"),
        "UTF-16": (head.encode("utf-16"), "is UTF-16 text"),
        "Excel": (b"PK\x03\x04" + bytes(30), "is an Excel workbook or another zip file, but not"),
        "binary": (head.encode() + bytes(30), "is not a text file"),
        "LFS": (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS pointer"),
        "open quote": (head.encode() + b's1\t"a.png\tx\n', "quotation mark"),
    }


@pytest.mark.parametrize("case", bad_tables())
def test_a_table_that_is_broken_as_a_whole(tmp_path, case):
    content, message = bad_tables()[case]
    path = tmp_path / "participants.tsv"
    path.write_bytes(content)
    with pytest.raises(InputError) as raised:
        open_cohort(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)
    assert "Latin-1" in str(raised.value) if case == "Latin-1" else True


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (row("../evil"), Reason.BAD_NAME),
        (row("a/b"), Reason.BAD_NAME),
        (row("a\\b"), Reason.BAD_NAME),
        (row(".."), Reason.BAD_NAME),
        (row("n/a"), Reason.BAD_NAME),
        (row("a\x1b[2Jb"), Reason.BAD_NAME),
        (row("s1", label="x\u2028y"), Reason.BAD_NAME),
        (row("s1", "n/a"), Reason.MISSING),
        (row("s1", label="x\tsurplus"), Reason.BAD_ROW),
    ],
)
def test_a_bad_row_costs_only_itself(tmp_path, cells, reason):
    path = write_table(tmp_path / "t.tsv", [row("good1"), cells, row("good2", "b.png")])
    cohort = open_cohort(path)
    assert [scan.name for scan in cohort.scans] == ["good1", "good2"]
    assert reasons(cohort) == [(reason, True)]
    assert cohort.problems[0].advice


@pytest.mark.parametrize(
    "participant", ["<img src=x onerror=alert(1)>", "a\"b'c", "two words", "患者01", "x" * 300]
)
def test_odd_but_harmless_participants_keep_their_text(tmp_path, participant):
    path = tmp_path / "t.csv"
    quoted = participant.replace('"', '""')
    path.write_text(f'participant_id,image\n"{quoted}",a.png\n', encoding="utf-8")
    (scan,) = open_cohort(path).scans
    assert scan.participant == participant
    assert Path(scan.name).name == scan.name
    assert scan.name.isascii()


def test_rows_may_lack_or_add_empty_cells_at_their_end(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("participant_id,image,label\ns1,a.png\ns2,b.png,x,,\n,,\n")
    cohort = open_cohort(path)
    assert [(scan.name, scan.label) for scan in cohort.scans] == [("s1", None), ("s2", "x")]
    assert cohort.problems == ()


def test_columns_are_found_in_any_case_and_unnamed_ones_left_out(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(",Participant_ID,Image,LABEL\n0,s1,a.png,x\n1,s2,b.png,y\n")
    assert [scan.label for scan in open_cohort(path).scans] == ["x", "y"]


@pytest.mark.parametrize(
    ("name", "message"), [("nowhere", "does not exist"), ("scan.png", "is no cohort")]
)
def test_what_is_no_cohort(tmp_path, name, message):
    write_png(tmp_path / "scan.png")
    with pytest.raises(InputError, match=message):
        open_cohort(tmp_path / name)


def test_a_suffix_is_for_bids_only(tmp_path):
    path = write_table(tmp_path / "t.tsv", [row()])
    with pytest.raises(InputError, match="no BIDS data set"):
        open_cohort(path, suffix="T1w")


def test_a_csv_named_participants_is_the_table_of_its_folder(tmp_path):
    write_png(tmp_path / "left" / "a.png", 1)
    write_png(tmp_path / "right" / "b.png", 2)
    rows = [row("s1", "left/a.png"), row("s2", "right/b.png", label="y")]
    write_table(tmp_path / "participants.csv", rows, ",")
    assert [scan.label for scan in open_cohort(tmp_path).scans] == ["x", "y"]
    write_table(tmp_path / "participants.tsv", rows[:1])
    assert [scan.label for scan in open_cohort(tmp_path).scans] == ["x"]


def test_paths_written_on_windows_are_found(tmp_path):
    image = write_png(tmp_path / "img" / "a.png")
    odd = write_png(tmp_path / "b\\c.png")  # a name like any other here
    rows = [row("s1", "img\\a.png", mask="img\\a.png"), row("s2", odd.name, mask="n/a")]
    rows += [row("s3", "no\\where.png", mask="n/a"), row("s4", "\\" + 300 * "x", mask="n/a")]
    scans = open_cohort(write_table(tmp_path / "t.tsv", rows)).scans
    assert [scan.images["image"] for scan in scans[:2]] == [image, odd]
    assert scans[0].mask == image
    assert scans[2].images["image"].name == "no\\where.png"


@given(content=st.binary(max_size=120))
def test_any_bytes_are_a_table_or_an_input_error(content, tmp_path_factory):
    path = tmp_path_factory.mktemp("bytes") / "t.csv"
    path.write_bytes(b"participant_id,image\n" + content)
    try:
        table = read_table(path)
    except InputError:
        return
    assert all(set(found.cells) == set(table.columns) for found in table.rows)
    cohort = open_cohort(path)
    assert len(cohort.scans) + sum(found.refused for found in cohort.problems) == len(table.rows)
