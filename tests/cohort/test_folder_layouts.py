"""Layouts of public data sets that are no class folders: refused, with what to do."""

import pytest
from cohort_files import write_nifti, write_png, write_table
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cohort.opening import open_cohort
from hrcam.cohort.problems import Reason
from hrcam.errors import InputError
from hrcam.mapping import open_input
from hrcam.training import TrainingConfig


def files(folder, *names):
    for number, name in enumerate(names):
        write = write_nifti if name.endswith(".nii.gz") else write_png
        write(folder / name, number)
    return folder


NO_CLASSES = {
    "nnU-Net": (
        ("imagesTr/h_001_0000.nii.gz", "labelsTr/h_001.nii.gz", "imagesTs/h_002_0000.nii.gz"),
        "imagesTr, imagesTs, labelsTr", "mask",
    ),
    "splits": (
        ("train/NORMAL/1.png", "val/NORMAL/2.png", "test/PNEUMONIA/3.png"), "test, train, val",
        "split",
    ),
    "splits, Kaggle": (("Training/glioma/1.png", "Testing/glioma/2.png"), "Testing, Training",
                       "split"),
    "splits, sets": (("train_set/a/1.png", "test_set/a/2.png"), "test_set, train_set", "split"),
    "folds": (("fold1/a/1.png", "fold2/a/2.png"), "fold1, fold2", "split"),
    "images and masks": (("images/1.png", "masks/1.png"), "images, masks", "mask"),
    "images and ground truth": (("img/1.png", "ground_truth/1.png"), "ground_truth, img", "mask"),
    "masks in classes": (
        ("COVID/images/1.png", "COVID/masks/1.png", "Normal/images/2.png", "Normal/masks/2.png"),
        "images, masks", "mask",
    ),
    "masks in participants": (("sick/p1/t1/1.png", "sick/p1/Masks/1.png"), "Masks", "mask"),
    "splits in classes": (("sick/train/1.png", "sick/test/2.png", "well/train/3.png"),
                          "test, train", "split"),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_CLASSES)
def test_folders_that_are_no_classes_are_named_with_the_columns_of_a_table(tmp_path, case):
    names, said, column = NO_CLASSES[case]
    with pytest.raises(InputError, match=r"which are no (classes|participants)") as refused:
        open_cohort(files(tmp_path, *names))
    assert f"folders named {said}" in str(refused.value)
    assert column in str(refused.value).partition("participants.tsv")[2]


@pytest.mark.parametrize(
    "names",
    [
        ("with_mask/1.png", "without_mask/2.png"),
        ("segment elevation/1.png", "normal/2.png"),
        ("sick/p1/images/1.png", "sick/p2/images/1.png"),
        ("grade 1/1.png", "grade 2/2.png"),
    ],
)
def test_classes_and_participants_of_similar_names_are_read(tmp_path, names):
    cohort = open_cohort(files(tmp_path, *names))
    assert len(cohort.scans) == len(names)


@pytest.mark.parametrize(
    "mask",
    ["1_mask.png", "1_seg.png", "1-label.png", "1_segmentation.png", "1_GT.png", "1_roi.png"],
)
def test_masks_beside_their_images_are_masks(tmp_path, mask):
    (scan,) = open_cohort(files(tmp_path, "sick/1.png", f"sick/{mask}")).scans
    assert (scan.images["image"].name, scan.mask.name) == ("1.png", mask)


def test_a_mask_of_several_images_is_no_scan(tmp_path):
    names = [f"sick/B_001/B_001_{kind}.nii.gz" for kind in ("flair", "t1", "t1ce", "t2", "seg")]
    cohort = open_cohort(files(tmp_path, *names))
    assert len(cohort.scans) == 4
    (found,) = [problem for problem in cohort.problems if problem.refused]
    assert (found.file, found.reason) == (names[-1], Reason.MASK_MISMATCH)


SPACES = [
    f"sub-{n}/anat/sub-{n}{space}_desc-preproc_T1w.nii.gz"
    for n in (1, 2)
    for space in ("", "_space-MNI152NLin2009cAsym", "_space-MNI152NLin6Asym_res-2")
]


@pytest.fixture
def fmriprep(tmp_path):
    """What fMRIPrep leaves: native and standard copies, masks and segmentations beside them."""
    others = [
        f"sub-{n}/anat/sub-{n}{name}.nii.gz"
        for n in (1, 2)
        for name in ("_desc-brain_mask", "_dseg", "_label-GM_probseg",
                     "_space-MNI152NLin2009cAsym_desc-brain_mask")
    ]  # fmt: skip
    files(tmp_path, *SPACES, *others)
    (tmp_path / "dataset_description.json").write_text('{"DatasetType": "derivative"}')
    return tmp_path


def test_copies_of_an_image_in_several_spaces_are_refused(fmriprep):
    with pytest.raises(InputError, match=r"with --space \(space=...\)") as refused:
        open_cohort(fmriprep, suffix="T1w")
    for space in ("native (2)", "MNI152NLin2009cAsym (2)", "MNI152NLin6Asym:res-2 (2)"):
        assert space in str(refused.value)


@pytest.mark.parametrize(
    ("space", "middle"),
    [
        ("native", ""),
        ("MNI152NLin2009cAsym", "_space-MNI152NLin2009cAsym"),
        ("MNI152NLin6Asym", "_space-MNI152NLin6Asym_res-2"),
        ("MNI152NLin6Asym:res-2", "_space-MNI152NLin6Asym_res-2"),
    ],
)
def test_one_space_is_chosen(fmriprep, space, middle):
    scans = open_cohort(fmriprep, suffix="T1w", space=space).scans
    assert [scan.images["image"].name for scan in scans] == [
        f"sub-{n}{middle}_desc-preproc_T1w.nii.gz" for n in (1, 2)
    ]


def test_a_space_that_is_not_there(fmriprep):
    with pytest.raises(InputError, match=r"space 'MNI305'.*native \(2\)"):
        open_cohort(fmriprep, suffix="T1w", space="MNI305")


def test_several_descriptions_are_refused_and_one_is_chosen(fmriprep):
    write_nifti(fmriprep / "sub-1" / "anat" / "sub-1_desc-brain_T1w.nii.gz")
    with pytest.raises(InputError, match=r"--desc \(desc=...\): preproc \(2\), brain \(1\)"):
        open_cohort(fmriprep, suffix="T1w", space="native")
    (scan,) = open_cohort(fmriprep, suffix="T1w", desc="brain").scans
    assert scan.images["image"].name == "sub-1_desc-brain_T1w.nii.gz"
    assert len(open_cohort(fmriprep, suffix="T1w", desc="preproc", space="native").scans) == 2


def test_several_resolutions_of_one_space_are_refused(fmriprep):
    write_nifti(fmriprep / "sub-1/anat/sub-1_space-MNI152NLin6Asym_res-1_desc-preproc_T1w.nii.gz")
    with pytest.raises(InputError, match="MNI152NLin6Asym:res-1"):
        open_cohort(fmriprep, suffix="T1w", space="MNI152NLin6Asym")
    scans = open_cohort(fmriprep, suffix="T1w", space="MNI152NLin6Asym:res-1").scans
    assert len(scans) == 1


def test_the_command_takes_space_and_desc(fmriprep):
    rows = [{"participant_id": f"sub-{n}", "label": "ab"[n - 1]} for n in (1, 2)]
    write_table(fmriprep / "participants.tsv", rows)
    result = CliRunner().invoke(
        app,
        ["check", str(fmriprep), "--suffix", "T1w", "--space", "native", "--desc", "preproc",
         "--workers", "1"],
    )  # fmt: skip
    assert "class        a 1, b 1" in result.output or "small-class" in result.output
    assert "several versions" not in result.output


def test_space_and_desc_are_for_bids_only(tmp_path):
    files(tmp_path, "a/1.png", "b/2.png")
    for option in ({"space": "native"}, {"desc": "preproc"}):
        with pytest.raises(InputError, match="no BIDS data set"):
            open_cohort(tmp_path, **option)


def test_maps_are_made_of_the_space_that_was_trained_on(fmriprep):
    config = TrainingConfig(suffix="T1w", space="MNI152NLin2009cAsym", desc="preproc")
    scans = open_input(fmriprep, trained=config).scans
    assert {scan.images["image"].name.split("_")[1] for scan in scans} == {
        "space-MNI152NLin2009cAsym"
    }
    scans = open_input(fmriprep, space="native", trained=config).scans
    assert [scan.name for scan in scans] == ["sub-1_desc-preproc", "sub-2_desc-preproc"]


def test_versions_of_an_image_in_folders_of_classes_are_warned_of(tmp_path):
    names = ("sub-1_T1w", "sub-1_space-MNI152_desc-preproc_T1w", "sub-1_ses-2_T1w", "sub-1_FLAIR")
    files(tmp_path, *(f"AD/{name}.nii.gz" for name in names), "HC/sub-2_T1w.nii.gz")
    (found,) = open_cohort(tmp_path).problems
    assert (found.reason, found.refused) == (Reason.DUPLICATE_NAME, False)
    assert found.message.startswith("images in several versions: 1, as 'sub-1_")
