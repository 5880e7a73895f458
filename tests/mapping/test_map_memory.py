"""A long job needs no more memory than a short one."""

import gc
import tracemalloc
from itertools import pairwise

from small_runs import SmallRun, preparation, write_pictures

from hrcam.mapping import map_scans


def test_memory_does_not_grow_with_the_number_of_scans(tmp_path, monkeypatch):
    # The checks are of as many scans in a long job, and slow while memory is traced.
    monkeypatch.setattr("hrcam.mapping.stages.check_folder", lambda *_: None)
    run = SmallRun(preparation((16, 16)))
    scans = write_pictures(tmp_path / "images", 100, size=(40, 40))
    map_scans(run, scans[:20], tmp_path / "maps")  # what is loaded once
    sizes = []
    tracemalloc.start()
    for end in (40, 70, 100):
        map_scans(run, scans[:end], tmp_path / "maps")
        gc.collect()
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    # An image kept for each of 30 scans would be 192 kB, its maps twice as much, in both steps.
    # What is loaded once, by this or by a thread of another test, is in one of them. Paths keep
    # their text once they have been used, and patterns of names are kept: 3 kB a scan.
    assert min(later - earlier for earlier, later in pairwise(sizes)) < 100_000
