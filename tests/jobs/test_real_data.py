"""The example on real images, where they are: that it runs, not how well."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("cohort", "folder", "training"),
    [("busi", "busi", 24), ("hippocampus", "msd_hippocampus_3d", 16)],
)
def test_example_on_real_images(cohort, folder, training, tmp_path):
    if not (DATA / folder).is_dir():
        pytest.skip(f"the real images are not at {DATA / folder}")
    command = [sys.executable, ROOT / "examples" / "real_data.py", cohort, DATA / folder,
               "--out", tmp_path, "--quick"]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    text = (tmp_path / f"{cohort}.md").read_text(encoding="utf-8")
    assert f"{training} training" in text
    assert "| HR-CAM pattern |" in text
    assert "paired" in text
    assert (tmp_path / f"{cohort}.png").stat().st_size > 10_000
