"""A folder is claimed by one, whoever else asks at the same moment."""

import pytest
from claiming_processes import claim_and_write

from hrcam.artifacts.claim import changes, claim_folder
from hrcam.errors import InputError


@pytest.mark.parametrize("held", [None, (), (".hidden",)])
def test_a_new_or_empty_folder_is_claimed_with_its_marker(tmp_path, held):
    folder = tmp_path / "a" / "b"
    if held is not None:
        folder.mkdir(parents=True)
        for name in held:
            (folder / name).touch()
    assert claim_folder(folder, "job.json", b"mine") is None
    assert (folder / "job.json").read_bytes() == b"mine"


def test_a_folder_that_was_claimed_tells_by_whom_and_stays_theirs(tmp_path):
    claim_folder(tmp_path, "job.json", b"first")
    (tmp_path / "result").touch()
    assert claim_folder(tmp_path, "job.json", b"second") == b"first"
    assert (tmp_path / "job.json").read_bytes() == b"first"


def test_a_file_or_a_folder_with_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.docx").touch()
    with pytest.raises(InputError, match=r"not empty and has no job\.json: choose a new"):
        claim_folder(tmp_path, "job.json", b"")
    with pytest.raises(InputError, match="is a file: choose a new"):
        claim_folder(tmp_path / "thesis.docx", "job.json", b"")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.docx"]


def test_four_processes_claim_and_write_one_folder_at_once(tmp_path):
    assert claim_and_write(tmp_path, 25) == []


def test_what_differs_is_said():
    assert changes({"seed": 0, "x": 1}, {"seed": 1, "x": 1, "y": 2}) == (
        "seed was 0, is 1, y was None, is 2"
    )
    assert changes({"x": 1}, {"x": 1}) == ""
