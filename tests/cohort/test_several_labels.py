"""Several labels of a scan: read from the columns of a table, checked and divided."""

from collections import Counter
from pathlib import Path

import pytest
from cohort_files import write_png, write_table

from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import Reason
from hrcam.cohort.scan import Scan
from hrcam.cohort.several_labels import answers_in, answers_of, label_text, with_combinations
from hrcam.cohort.splits import make_folds
from hrcam.errors import InputError


def table_of(folder, answers):
    rows = []
    for index, (oedema, effusion) in enumerate(answers):
        name = f"images/{index}.png"
        write_png(folder / name, index)
        row = {"participant_id": f"p{index}", "image": name, "Oedema": oedema, "effusion": effusion}
        rows.append(row)
    write_table(folder / "participants.tsv", rows)
    return folder


def test_columns_of_yes_and_no_are_labels(tmp_path):
    folder = table_of(tmp_path, [("yes", "0"), ("TRUE", "n/a"), ("No", "1"), ("n/a", "")])
    scans = open_cohort(folder, label_column="Oedema, effusion").scans
    assert [scan.label for scan in scans] == [
        *("oedema=1;effusion=0", "oedema=1;effusion=n/a", "oedema=0;effusion=1", None),
    ]
    found = [answers_of(scan, ("Effusion", "Oedema")) for scan in scans[:3]]
    assert found == [(False, True), (None, True), (True, False)]


def test_a_column_with_a_comma_in_its_name_stays_one(tmp_path):
    write_png(tmp_path / "a.png")
    rows = [{"participant_id": "a", "image": "a.png", "weight, kg": "70"}]
    write_table(tmp_path / "participants.tsv", rows)
    (scan,) = open_cohort(tmp_path, label_column="weight, kg").scans
    assert scan.label == "70"


def test_a_label_that_is_no_column(tmp_path):
    folder = table_of(tmp_path, [("1", "0")])
    with pytest.raises(InputError, match="has no column 'nodule'"):
        open_cohort(folder, label_column="oedema,nodule")


def test_answers_that_are_neither_yes_nor_no_and_labels_that_cannot_be_learnt(tmp_path):
    folder = table_of(tmp_path, [("1", "0"), ("1", "maybe"), ("0", "1"), ("0", "0"), ("n/a", "0")])
    report = check_cohort(
        open_cohort(folder, label_column="oedema,effusion"), task="labels", workers=1
    )
    (bad,) = [one for one in report.refused if one.reason == Reason.BAD_VALUE]
    assert bad.scan == "p1"
    assert "'effusion=maybe'" in bad.message
    rare = [one.message for one in report.refused if one.reason == Reason.SMALL_CLASS]
    assert [message[:35] for message in rare] == [
        "the label 'oedema' has 1 independen",
        "the label 'effusion' has 1 independ",
    ]
    assert report.fingerprint.labels == {"oedema": (1, 2), "effusion": (1, 3)}
    assert report.fingerprint.classes == {}


def test_text_that_is_no_answer():
    with pytest.raises(InputError, match="'edema=2' is none of"):
        answers_in("edema=2")


def scans_of(*answers):
    return [
        Scan(
            name=f"s{index:02d}",
            participant=f"s{index:02d}",
            images={"image": Path(f"{index}.png")},
            label=label_text({"a": a, "b": b, "c": c}),
            group=f"s{index:02d}",
        )
        for index, (a, b, c) in enumerate(answers)
    ]


def test_rare_combinations_count_as_others_with_as_many_labels_and_folds_share_all():
    answers = [*["000"] * 12, *["100"] * 9, *["110"] * 2, *["101"] * 2, *["111"]]
    scans = scans_of(*answers)
    hashes = {scan.name: scan.name for scan in scans}
    strata = with_combinations(scans, hashes, 3)
    counts = Counter(scan.label for scan in strata)
    assert counts == {"none": 13, "a": 9, "2 labels": 4}
    for fold in make_folds(strata, hashes, folds=3):
        tested = Counter(one.label for one in strata if one.name in fold.test)
        assert tested["a"] == 3
        assert 4 <= tested["none"] <= 5
        assert 1 <= tested["2 labels"] <= 2
