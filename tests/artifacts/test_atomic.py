"""Files appear whole or not at all."""

import errno
import os
import stat

import pytest

from hrcam.artifacts.atomic import (
    PARTIALS,
    create_atomically,
    replacing,
    write_atomically,
    write_in_order,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_written_and_replaced_and_nothing_else_is_left(tmp_path):
    path = tmp_path / "a" / "b.json"
    assert write_atomically(path, b"one") == path
    write_atomically(str(path), b"two")
    assert path.read_bytes() == b"two"
    assert names(path.parent) == ["b.json"]


def test_a_file_may_be_read_by_whom_the_user_lets_read_files(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    write_atomically(tmp_path / "whole", b"")
    create_atomically(tmp_path / "new", b"")
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1


def test_the_file_is_on_disk_before_it_appears_and_the_folder_after(tmp_path, monkeypatch):
    synced = []

    def sync(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), names(tmp_path)))

    monkeypatch.setattr(os, "fsync", sync)
    write_atomically(tmp_path / "x", b"content")
    (of_file, before), (of_folder, after) = synced
    assert (of_file, of_folder) == (False, True)
    assert "x" not in before
    assert after == ["x"]


def test_of_several_files_the_last_appears_when_the_others_are_on_disk(tmp_path, monkeypatch):
    synced = []

    def sync(descriptor):
        synced.append((stat.S_ISDIR(os.fstat(descriptor).st_mode), names(tmp_path)))

    monkeypatch.setattr(os, "fsync", sync)
    write_in_order({tmp_path / name: name.encode() for name in ("b", "c", "a")})
    assert [is_folder for is_folder, _ in synced] == [False, False, True, False, True]
    seen = [[name for name in found if "partial" not in name] for _, found in synced]
    assert seen == [[], ["b"], ["b", "c"], ["b", "c"], ["a", "b", "c"]]
    assert [(tmp_path / name).read_bytes() for name in "abc"] == [b"a", b"b", b"c"]


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    write_atomically(tmp_path / "x", b"old")

    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "x", b"new")
    assert (tmp_path / "x").read_bytes() == b"old"
    assert names(tmp_path) == ["x"]


def test_two_writers_with_one_process_id_have_two_partial_files(tmp_path):
    with replacing(tmp_path / "x") as one, replacing(tmp_path / "x") as other:
        assert one != other
        assert {one, other} == set(tmp_path.glob(PARTIALS))
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert (tmp_path / "x").read_bytes() == b"one"  # moved last


def test_the_longest_name_of_a_map_has_room_for_that_of_its_partial_file(tmp_path):
    scan, label = "sub-" + "a" * 96, "b" * 100  # as long as hrcam.mapping.names makes them
    write_atomically(tmp_path / f"{scan}_label-{label}_desc-evidence_statmap.nii.gz", b"")


def test_a_file_is_created_once(tmp_path):
    assert create_atomically(tmp_path / "x", b"one")
    assert not create_atomically(tmp_path / "x", b"two")
    assert (tmp_path / "x").read_bytes() == b"one"
    assert names(tmp_path) == ["x"]


def test_a_link_that_nfs_made_and_did_not_tell_of_counts(tmp_path, monkeypatch):
    def linked_twice(source, target, link=os.link):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", linked_twice)
    assert create_atomically(tmp_path / "x", b"one")
    assert not create_atomically(tmp_path / "x", b"two")


def test_a_file_is_created_once_where_the_disk_has_no_links(tmp_path, monkeypatch):
    def no_links(_source, _target):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    assert create_atomically(tmp_path / "x", b"one")
    assert not create_atomically(tmp_path / "x", b"two")
    assert (tmp_path / "x").read_bytes() == b"one"
    assert names(tmp_path) == ["x"]


def test_a_disk_that_fails_is_told_of(tmp_path, monkeypatch):
    def broken(_source, _target):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", broken)
    with pytest.raises(OSError, match="Input/output"):
        create_atomically(tmp_path / "x", b"one")
    assert names(tmp_path) == []
