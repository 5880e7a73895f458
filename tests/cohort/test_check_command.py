"""`hrcam check`, as a user runs it."""

import json

import pytest
from cohort_files import write_nifti, write_png, write_table
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cli.terminal import print_problems, printable
from hrcam.cohort.problems import Problem, Reason

run = CliRunner().invoke


def check(*arguments):
    return run(app, ["check", *map(str, arguments), "--workers", "1"])


@pytest.fixture
def rows(tmp_path):
    found = []
    for number in range(4):
        write_png(tmp_path / f"{number}.png", number)
        cells = {"image": f"{number}.png", "label": "ab"[number % 2]}
        found.append({"participant_id": f"s{number}", **cells})
    return found


def test_a_sound_cohort(tmp_path, rows):
    write_table(tmp_path / "participants.tsv", rows)
    result = check(tmp_path)
    assert result.exit_code == 0, result.output
    assert "accepted     4 scans of 4 participants" in result.output
    assert "shape        12 × 10" in result.output
    assert "class        a 2, b 2" in result.output


def test_each_problem_is_one_line_and_the_exit_code_tells(tmp_path, rows):
    rows.append({"participant_id": "gone", "image": "gone.png", "label": "a"})
    write_table(tmp_path / "participants.tsv", rows)
    result = check(tmp_path)
    assert result.exit_code == 1
    line = result.output.splitlines()[0]
    assert line.startswith("refused  gone  gone.png  missing: ")
    assert "; " in line
    assert "accepted     4 scans" in result.output
    assert "refused      1" in result.output


def test_what_is_said_of_many_scans_in_the_same_words_is_one_line(tmp_path, rows):
    gone = [
        {"participant_id": f"gone{n:02d}", "image": "gone.png", "label": "a"} for n in range(21)
    ]
    table = tmp_path / "participants.tsv"
    write_table(table, [*rows, *gone])
    result = check(tmp_path, "--json", tmp_path / "found.json")
    (line,) = [line for line in result.output.splitlines() if "missing" in line]
    assert line.startswith("refused  cohort  missing: 21 scans, as gone00: there is no such file; ")
    assert "refused      21, listed above" in result.output
    assert len(json.loads((tmp_path / "found.json").read_text())["problems"]) == 21
    write_table(table, [*rows, *gone[:20]])
    assert check(tmp_path).output.count("missing: there is no such file") == 20


def test_messages_that_differ_by_numbers_alone_are_one_line(capsys):
    angles = [f"the axes miss right angles by {number / 7:.2f} degrees" for number in range(60)]
    problems = [
        Problem(f"s{n}", "", Reason.SHEARED_AFFINE, message, "resample", refused=False)
        for n, message in enumerate(angles)
    ]
    lines = [f"line {n}: no participant_id" for n in range(1, 1241)]
    problems += [Problem("", "", Reason.BAD_NAME, message, "write one") for message in lines]
    print_problems([*problems, Problem("", "", Reason.BAD_NAME, "something else", "mend it")])
    assert capsys.readouterr().out.splitlines() == [
        "warning  cohort  sheared-affine: 60 scans, as s0: the axes miss right angles by 0.00 "
        "degrees; resample",
        "refused  cohort  bad-name: 1240 times: line 1: no participant_id; write one",
        "refused  cohort  bad-name: something else; mend it",
    ]


def test_warnings_alone_are_no_failure(tmp_path, rows):
    rows.append({"participant_id": "copy", "image": "0.png", "label": "a"})
    write_table(tmp_path / "participants.tsv", rows)
    result = check(tmp_path)
    assert result.exit_code == 0
    assert result.output.startswith("warning  copy  0.png  duplicate-image: ")


def test_everything_found_goes_to_a_file(tmp_path, rows):
    rows.append({"participant_id": "gone", "image": "gone.png", "label": "a"})
    write_table(tmp_path / "participants.tsv", rows)
    assert check(tmp_path, "--json", tmp_path / "out" / "check.json").exit_code == 1
    content = json.loads((tmp_path / "out" / "check.json").read_text())
    assert content["problems"][0]["scan"] == "gone"
    assert content["fingerprint"]["scans"] == len(content["scans"]) == 4


def test_hostile_names_do_not_reach_the_terminal(tmp_path):
    for label in "ab":
        for number in range(2):
            write_png(tmp_path / label / f"{label}{number}.png", ord(label) + number)
    write_png(tmp_path / "a" / "x\x1b]0;owned\x07\u202e.png", 7)
    result = check(tmp_path)
    assert result.exit_code == 1
    assert "\\x1b]0;owned\\x07" in result.output
    assert not any(letter in result.output for letter in "\x1b\x07\u202e")


def test_a_broken_table_is_one_line(tmp_path):
    (tmp_path / "t.csv").write_text("name,file\n1,2\n")
    result = check(tmp_path / "t.csv")
    assert result.exit_code == 1
    assert result.output.startswith("error: ")
    assert len(result.output.strip().splitlines()) == 1


def test_the_suffix_of_a_bids_data_set(tmp_path):
    lines = []
    for number in range(4):
        for suffix in ("T1w", "FLAIR"):
            name = f"sub-{number}/anat/sub-{number}_{suffix}.nii.gz"
            write_nifti(tmp_path / name, ord(suffix[0]) + number)
        lines.append({"participant_id": f"sub-{number}", "label": "ab"[number % 2]})
    write_table(tmp_path / "participants.tsv", lines)
    assert "several suffixes" in check(tmp_path).output
    result = check(tmp_path, "--suffix", "FLAIR")
    assert result.exit_code == 0, result.output
    assert "orientation  RAS 4" in result.output


def test_printable_keeps_all_scripts():
    assert printable("größer 患者 × 1\n\u2066") == "größer 患者 × 1\\n\\u2066"


@pytest.mark.real_data
def test_real_ultrasound_has_one_image_under_two_diagnoses(real_data):
    result = run(app, ["check", str(real_data / "busi"), "--workers", "2"])
    assert result.exit_code == 1
    assert [line.split()[1] for line in result.output.splitlines()[:2]] == [
        "benign433", "malignant145",
    ]  # fmt: skip
    assert "accepted     748 scans" in result.output
