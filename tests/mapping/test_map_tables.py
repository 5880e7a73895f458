"""Tables while several jobs write to one folder."""

import json

from small_runs import write_pictures

from hrcam.artifacts import maps_tables as tables
from hrcam.artifacts.atomic import write_atomically
from hrcam.mapping import map_scans


def test_a_scan_that_another_job_ends_with_meanwhile_is_in_the_table(
    tmp_path, picture_run, monkeypatch
):
    scans = write_pictures(tmp_path / "images", 2)
    map_scans(picture_run, scans, tmp_path / "maps")
    expected = (tmp_path / "maps" / "maps.tsv").read_bytes()
    (late,) = (tmp_path / "maps" / "sub-02/anat").glob("*_statmap.json")
    content = late.read_bytes()
    late.unlink()
    written = []

    def write(path, table):
        if not written:  # the other job ends between our look at the folder and our table
            late.write_bytes(content)
        written.append(path.name)
        return write_atomically(path, table)

    monkeypatch.setattr(tables, "write_atomically", write)
    tables.write_tables(tmp_path / "maps", picture_run.classes)
    assert written == ["maps.tsv", "maps.tsv", "failures.tsv"]
    assert (tmp_path / "maps" / "maps.tsv").read_bytes() == expected


def test_a_job_that_ends_does_not_wait_for_those_that_are_busy(tmp_path, picture_run, monkeypatch):
    (scan,) = write_pictures(tmp_path / "images", 1)
    map_scans(picture_run, [scan], tmp_path / "maps")
    (record,) = (tmp_path / "maps" / "sub-01/anat").glob("*_statmap.json")
    busy = []

    def write(path, table):
        busy.append(path)  # each time, another record has come
        other = json.loads(record.read_bytes()) | {"Scan": f"sub-99_run-{len(busy)}"}
        name = f"sub-99_run-{len(busy)}_label-patient_statmap.json"
        write_atomically(tmp_path / "maps" / "sub-99/anat" / name, json.dumps(other).encode())
        return write_atomically(path, table)

    monkeypatch.setattr(tables, "write_atomically", write)
    tables.write_tables(tmp_path / "maps", picture_run.classes)
    assert len(busy) < 10
    table = (tmp_path / "maps" / "maps.tsv").read_text()
    assert "sub-99_run-1\t" in table
