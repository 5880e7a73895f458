"""Names of images that are likely of one person: found, said, and kept together if asked for."""

import pytest
from cohort_files import write_nifti, write_png, write_table
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort.check import check_cohort
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.opening.name_groups import compiled, group_of, likely_groups
from hrcam.cohort.problems import Reason
from hrcam.cohort.splits import make_folds
from hrcam.errors import InputError
from hrcam.mapping import open_input
from hrcam.training import TrainingConfig


def groups(*names, label="a"):
    found = likely_groups([(name, label) for name in names])
    return {} if found is None else {key: len(members) for key, members in found.groups.items()}


PUBLIC = {
    "OCT": (
        ["CNV-1016042-1", "CNV-1016042-2", "DRUSEN-1016042-3", "NORMAL-1038998-1"],
        {"1016042": 3},
    ),
    "chest X-ray": (
        ["person1_bacteria_1", "person1_bacteria_2", "person1_virus_6", "person2_bacteria_3",
         "IM-0001-0001", "IM-0003-0001", "IM-0003-0002", "NORMAL2-IM-0222-0001"],
        {"person1": 3, "IM-0003": 2},
    ),
    "NIH chest X-ray": (["00000001_000", "00000001_001", "00000002_000"], {"00000001": 2}),
    "OASIS": (
        ["OAS1_0028_MR1_mpr-1_100", "OAS1_0028_MR1_mpr-2_101", "OAS1_0028_MR2_mpr-1_100",
         "OAS1_0029_MR1_mpr-1_100", "OAS30001_MR_d0129", "OAS30001_MR_d0757"],
        {"OAS1_0028": 3, "OAS30001": 2},
    ),
    "ADNI": (
        ["ADNI_002_S_0295_MR_MP-RAGE__br_raw_20060418193713091_1_S13408_I13722",
         "ADNI_002_S_0295_MR_MP-RAGE__br_raw_20061102081644865_1_S21856_I28560",
         "ADNI_002_S_0413_MR_MP-RAGE__br_raw_20060418193713091_1_S13893_I14437"],
        {"002_S_0295": 2},
    ),
    "TCGA": (
        ["TCGA_CS_4941_19960909_16", "TCGA_CS_4941_19960909_17", "TCGA_CS_4942_19970222_1",
         "TCGA-DU-7014-01Z-00-DX1", "TCGA-DU-7014-01Z-00-DX2"],
        {"TCGA_CS_4941": 2, "TCGA-DU-7014": 2},
    ),
    "BreakHis": (
        ["SOB_B_A-14-22549AB-40-001", "SOB_B_A-14-22549AB-400-002", "SOB_M_DC-14-22549AB-40-001",
         "SOB_B_A-14-22549CD-40-001"],
        {"14-22549AB": 3},
    ),
    "eyes": (["10_left", "10_right", "13_left", "15_right"], {"10": 2}),
    "breasts": (
        ["20586908_6c613a14b80a8591_MG_R_CC_ANON", "20586908_6c613a14b80a8591_MG_L_ML_ANON"],
        {"20586908_6c613a14b80a8591_MG": 2},
    ),
    "nnU-Net": (["hippocampus_001_0000", "hippocampus_001_0001", "hippocampus_003_0000"],
                {"hippocampus_001": 2}),
    "visits": (["p01_visit1", "p01_visit2_slice3", "p02_visit1"], {"p01": 2}),
    "numbered": (["p01 (1)", "p01 (2)", "p02 (1)", "7-a1", "7-a2"], {"p01": 2, "7": 2}),
}  # fmt: skip


@pytest.mark.parametrize("case", PUBLIC)
def test_images_of_one_person_are_found_in_public_data_sets(case):
    names, expected = PUBLIC[case]
    assert groups(*names) == expected


@pytest.mark.parametrize("case", PUBLIC)
def test_the_pattern_that_is_offered_makes_the_groups_that_are_shown(case):
    names, expected = PUBLIC[case]
    found = likely_groups([(name, "a") for name in names])
    keys = [group_of(compiled(found.pattern), name) for name in names]
    assert {key: keys.count(key) for key in keys if keys.count(key) > 1} == expected


@pytest.mark.parametrize(
    "names",
    [
        ["scan_1", "scan_2"],
        ["benign (1)", "benign (2)"],
        ["ISIC_0024306", "ISIC_0024307"],
        ["IXI002-Guys-0828-T1", "IXI012-HH-1211-T1"],
        ["p01_visit1", "p02_visit1"],
        ["T1_001", "T1_002", "T2_001"],
        ["brain_3T_1", "brain_3T_2"],
        ["anna_left", "ben_left"],
        ["1.2.840.113619.2.55.1", "1.2.840.113619.2.55.2"],
        [f"study2020_{number:03d}" for number in range(30)],
        ["mdb001", "mdb002"],
    ],
)
def test_names_of_different_people_are_left_alone(names):
    assert groups(*names) == {}


@pytest.fixture
def pictures(tmp_path):
    """Nineteen pictures of eight people, in two classes."""
    numbers = [1, 1, 1, 2, 2, 2, 3, 3, 4, 4]
    for place, number in enumerate(numbers):
        write_png(tmp_path / "CNV" / f"CNV-10160{number}-{place}.png", place)
    for place, number in enumerate([5, 5, 6, 6, 7, 7, 7, 8, 8]):
        write_png(tmp_path / "NORMAL" / f"NORMAL-10160{number}-{place}.png", 50 + place)
    return tmp_path


def command(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments), "--workers", "1"])


def test_the_check_says_which_groups_and_offers_the_option(pictures):
    result = command("check", pictures)
    assert result.exit_code == 0
    line = next(line for line in result.output.splitlines() if "split-leak" in line)
    assert "19 names look like several images of 8 participants: '101601' (3: 'CNV-" in line
    assert "and 5 more" in line
    assert r"--group-by '^(?:CNV|DME|DRUSEN|NORMAL)-(\d+)-\d+$'" in line
    assert "accepted     19 scans of 8 to 19 participants" in result.output


def test_with_the_option_each_person_is_on_one_side_of_every_split(pictures):
    cohort = open_cohort(pictures, group_by=r"-(\d+)-")
    assert cohort.problems == ()
    assert {scan.participant for scan in cohort.scans} == {f"10160{n}" for n in range(1, 9)}
    report = check_cohort(cohort, workers=1)
    assert (report.fingerprint.participants, report.fingerprint.likely_participants) == (8, 8)
    people = {scan.name: scan.participant for scan in cohort.scans}
    for fold in make_folds(cohort.scans, report.voxel_hashes, folds=3):
        train, test = ({people[name] for name in side} for side in (fold.train, fold.test))
        assert not train & test
    result = command("check", pictures, "--group-by", r"-(\d+)-")
    assert "accepted     19 scans of 8 participants" in result.output


def test_a_pattern_without_brackets_is_the_group_itself(pictures):
    scans = open_cohort(pictures, group_by=r"\d{6}").scans
    assert {scan.participant for scan in scans} == {f"10160{n}" for n in range(1, 9)}


def test_a_pattern_groups_the_rows_of_a_table_and_keeps_its_participants(tmp_path):
    rows = [
        {"participant_id": f"p{n}", "image": f"person{n // 2}_{n}.png", "label": "x"}
        for n in range(4)
    ]
    path = write_table(tmp_path / "t.tsv", rows)
    scans = open_cohort(path, group_by=r"(person\d)_").scans
    assert [(scan.participant, scan.group) for scan in scans] == [
        ("p0", "person0"), ("p1", "person0"), ("p2", "person1"), ("p3", "person1"),
    ]  # fmt: skip


def test_two_ways_to_group_a_table_are_refused(tmp_path):
    rows = [{"participant_id": "p1", "image": "p1_1.png", "label": "x", "group": "family"}]
    with pytest.raises(InputError, match="groups of its own"):
        open_cohort(write_table(tmp_path / "t.tsv", rows), group_by=r"(p\d)_")


def test_a_table_that_takes_file_names_for_participants_is_warned_of(tmp_path):
    names = ["person1_bacteria_1", "person1_bacteria_2", "person2_virus_1"]
    rows = [{"participant_id": name, "image": f"{name}.png"} for name in names]
    (found,) = open_cohort(write_table(tmp_path / "t.tsv", rows)).problems
    assert (found.reason, found.refused) == (Reason.SPLIT_LEAK, False)
    rows = [{"participant_id": f"s{n}", "image": f"{name}.png"} for n, name in enumerate(names)]
    assert open_cohort(write_table(tmp_path / "t.tsv", rows)).problems == ()


def test_a_pattern_that_fits_nothing_or_is_none(pictures):
    with pytest.raises(InputError, match="fits no name, as 'CNV-101601-0'"):
        open_cohort(pictures, group_by=r"patient(\d+)")
    with pytest.raises(InputError, match="no regular expression"):
        open_cohort(pictures, group_by=r"(\d+")


def test_names_that_a_pattern_does_not_fit_are_counted(pictures):
    (found,) = [
        problem for problem in open_cohort(pictures, group_by=r"CNV-(\d+)-").problems
        if "fits" in problem.message
    ]  # fmt: skip
    assert found.message.startswith("group_by fits 10 of 19 names, and not 'NORMAL-101605-0'")


def test_maps_know_participants_as_the_training_did(tmp_path):
    for name in ("person1_1", "person1_2", "person2_1"):
        write_png(tmp_path / "new" / f"{name}.png")
    config = TrainingConfig(group_by=r"(person\d+)_")
    scans = open_input(tmp_path / "new", trained=config).scans
    assert [scan.participant for scan in scans] == ["person1", "person1", "person2"]
    (scan,) = open_input(tmp_path / "new" / "person1_2.png", trained=config).scans
    assert scan.participant == "person1"
    (scan,) = open_input(write_png(tmp_path / "other" / "anna.png"), trained=config).scans
    assert scan.participant == "anna"
    (scan,) = open_input(tmp_path / "other", trained=config).scans
    assert scan.participant == "anna"


def test_series_of_one_person_may_be_grouped_by_their_folders(tmp_path):
    for label, names in {"a": ["1_rest", "1_task", "2_rest"], "b": ["3_rest", "4_rest"]}.items():
        for name in names:
            write_nifti(tmp_path / label / f"{name}.nii.gz", hash(name) % 1000)
    scans = open_cohort(tmp_path, group_by=r"^(\d+)").scans
    assert [scan.participant for scan in scans] == ["1", "1", "2", "3", "4"]
