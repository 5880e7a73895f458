"""A long job needs no more memory than a short one."""

import gc
import tracemalloc

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
    # An image kept for each of the last 60 scans would be 384 kB, its maps twice as much.
    # Paths keep their text once they have been used, about 1 kB for each scan.
    assert sizes[-1] - sizes[0] < 150_000
