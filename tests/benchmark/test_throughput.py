"""The comparison of a mapping with its parts, on few scans; its figures are not looked at."""

import json
import runpy
from pathlib import Path

import pytest
import torch

from hrcam.mapping import stages

SCRIPT = Path(__file__).parents[2] / "benchmarks/throughput.py"


@pytest.mark.filterwarnings("ignore")
def test_it_measures_every_ratio_that_it_promises(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(stages, "check_folder", stages.check_folder)  # it leaves the checks out
    threads = torch.get_num_threads()
    script = runpy.run_path(str(SCRIPT))
    try:
        script["main"]([
            "--pictures", "3", "--only", "pictures", "--rounds", "1", "--channels", "4,8",
            "--out", str(tmp_path / "found.json"),
        ])  # fmt: skip
    finally:
        torch.set_num_threads(threads)
    found = json.loads((tmp_path / "found.json").read_text())["pictures"]
    assert set(found["speeds"]) >= {
        *("explain, 1 thread", "explain, 2 threads", "decode", "encode"),
        *("map, 1 worker", "map, 2 workers", "again, from the cache"),
    }
    said = capsys.readouterr().out
    for line in ("map, 1 worker / explain, 1 thread", "map, 2 workers / 1", "single precision"):
        assert line in said
    (volume, *_) = script["goals"]("volumes", found)
    assert volume[0] == "map, 1 worker / slowest part"
    assert 0 < found["bytes"]["int16"]["maps"] < found["bytes"]["float32"]["maps"]
