"""Results that are kept: found again, and never trusted when they are not whole."""

import os
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from hrcam.artifacts import cache as cache_module
from hrcam.artifacts.cache import Cache

ROOM = 10**9


def entries(cache):
    return sorted(path for path in cache.folder.rglob("*") if path.is_file())


def kept(cache, content=b"prepared", source=lambda: "content"):
    """Ask for a result, and return it with the number of times that it was made."""
    made = []

    def make():
        made.append(content)
        return content

    return cache.result(source, ["of a test"], make, bytes, bytes), len(made)


def test_a_result_is_made_once(tmp_path):
    cache = Cache(tmp_path / "cache", ROOM)
    assert kept(cache) == (b"prepared", 1)
    assert kept(cache) == (b"prepared", 0)
    assert kept(Cache(tmp_path / "cache", ROOM)) == (b"prepared", 0)
    assert kept(cache, source=lambda: "other content") == (b"prepared", 1)
    assert len(entries(cache)) == 2


@pytest.mark.parametrize("harm", ["torn", "empty", "flipped", "foreign", "of another key"])
def test_a_damaged_entry_is_noticed_and_made_again(tmp_path, harm):
    cache = Cache(tmp_path / "cache", ROOM)
    kept(cache)
    (path,) = entries(cache)
    content = path.read_bytes()
    if harm == "of another key":
        kept(cache, b"another", source=lambda: "another")
        content = next(one for one in entries(cache) if one != path).read_bytes()
    path.write_bytes({
        "torn": content[:-1],
        "empty": b"",
        "flipped": content[:-1] + bytes([content[-1] ^ 1]),
        "foreign": b"not ours at all, but long enough for a hash",
        "of another key": content,
    }[harm])  # fmt: skip
    assert kept(cache) == (b"prepared", 1)
    assert kept(cache) == (b"prepared", 0)


def test_nothing_is_kept_of_a_source_that_changes_or_cannot_be_read(tmp_path):
    cache = Cache(tmp_path / "cache", ROOM)
    hashes = iter(["before", "after"])
    assert kept(cache, source=lambda: next(hashes)) == (b"prepared", 1)
    assert kept(cache, source=lambda: None) == (b"prepared", 1)
    assert entries(cache) == []


def test_a_full_cache_keeps_what_it_has(tmp_path):
    cache = Cache(tmp_path / "cache", 256 * 5000)
    for number in range(200):
        cache.put(cache.key(str(number)), bytes(2000))
    sizes = [sum(path.stat().st_size for path in folder.iterdir())
             for folder in (tmp_path / "cache").glob("*/*")]  # fmt: skip
    assert max(sizes) == 2 * (2000 + 32)
    assert cache.get(cache.key("0")) == bytes(2000)
    assert kept(cache, bytes(6000)) == (bytes(6000), 1)
    assert kept(cache, bytes(6000)) == (bytes(6000), 1)
    assert kept(Cache(tmp_path / "none", 0)) == (b"prepared", 1)
    assert not (tmp_path / "none").exists()


def test_a_disk_that_cannot_be_written_to_stops_nothing(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert kept(Cache(tmp_path / "cache", ROOM)) == (b"prepared", 1)


def test_what_other_versions_and_killed_writers_left_is_removed(tmp_path, monkeypatch):
    cache = Cache(tmp_path / "cache", ROOM)
    (tmp_path / "cache/notes").mkdir(parents=True)
    monkeypatch.setattr(cache_module, "versions_of", lambda *names: {"hrcam": "0"})
    cache_module._generation.cache_clear()
    kept(cache)
    (old,) = entries(cache)
    monkeypatch.undo()
    cache_module._generation.cache_clear()
    assert kept(cache) == (b"prepared", 1)
    assert not old.exists()
    assert (tmp_path / "cache/notes").exists()
    (entry,) = entries(cache)
    left = [entry.with_name(f".{name}.0.partial") for name in ("old", "new")]
    for path in left:
        path.write_bytes(b"half")
    os.utime(left[0], (time.time() - 7200,) * 2)
    cache.put(entry.parent.name + entry.name, b"prepared")
    assert [path.exists() for path in left] == [False, True]


def test_writers_at_the_same_time_leave_one_whole_entry(tmp_path):
    cache = Cache(tmp_path / "cache", ROOM)
    key, content = cache.key("one"), os.urandom(10**5)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: (cache.put(key, content), cache.get(key))[1], range(40)))
    assert set(found) == {content}
    assert len(entries(cache)) == 1
