"""`pip install .` in an environment of its own: it is small, and it suffices for the core."""

import os
import re
import subprocess
import sys
import venv
from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest
from declared import CORE, ROOT, brings, normalised
from packaging.requirements import Requirement

pytestmark = [pytest.mark.slow_install, pytest.mark.xdist_group("install")]

MOST_DISTRIBUTIONS, MOST_MIB = 25, 300

A_SMALL_NETWORK = """
import torch
from torch import nn

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2),
)
images = torch.randn(4, 1, 32, 32)
loader = [torch.randn(8, 1, 32, 32) for _ in range(4)]
"""
ITS_MAPS = """
assert explanation.pattern.shape == explanation.evidence.shape == (4, 32, 32)
logits = explanation.logits.gather(1, explanation.classes[:, None])[:, 0]
sums = explanation.evidence.mean((1, 2)) + explanation.bias
torch.testing.assert_close(sums, logits, rtol=1e-4, atol=1e-5)
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the core alone, in the versions that are tested together."""
    folder = tmp_path_factory.mktemp("core") / "environment"
    venv.create(folder)
    pip(folder, "--no-compile", "torch")  # what it weighs is not counted
    pip(folder, str(ROOT))
    return folder


def pip(environment: Path, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--python", str(python(environment)), "install", "--quiet"]
    run(*pip, "--constraint", str(ROOT / "constraints.txt"), *arguments)


def python(environment: Path) -> Path:
    return environment / "bin" / "python"


def run(*command: str, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=ROOT, env=kept | variables, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-4000:]
    return done.stdout


def installed(environment: Path) -> dict[str, Distribution]:
    (packages,) = environment.glob("lib/python*/site-packages")
    return {normalised(one.name): one for one in distributions(path=[str(packages)])}


def needs(name: str, among: Mapping[str, Distribution]) -> set[str]:
    """A distribution and all that it brings."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            wanted = map(Requirement, among[one].requires or ())
            waiting += [
                normalised(other.name)
                for other in wanted
                if other.marker is None or other.marker.evaluate({"extra": ""})
            ]
    return found


def test_what_is_installed_is_small(environment):
    """And as Getting started says."""
    there = installed(environment)
    own = set(there) - needs("torch", there)
    size = sum(file.locate().stat().st_size for one in own for file in there[one].files or ())
    assert {"hrcam", *CORE} <= set(there)
    assert len(own) <= MOST_DISTRIBUTIONS, sorted(own)
    assert size / 2**20 <= MOST_MIB
    page = (ROOT / "docs" / "getting-started.md").read_text("utf-8")
    stated = re.search(r"(\d+) packages of (\d+) MiB", page)
    assert stated is not None
    assert len(own) == int(stated[1]), sorted(own)
    assert size / 2**20 == pytest.approx(int(stated[2]), rel=0.05)


def test_no_extra_is_installed(environment):
    there = installed(environment)
    beyond = brings("all") - set().union(*(needs(one, there) for one in CORE))
    assert {"lightning", "matplotlib", "monai", "nibabel", "pandas", "pillow"} <= beyond
    assert not beyond & set(there)


def test_the_first_lines_of_the_readme_run(environment):
    readme = (ROOT / "README.md").read_text("utf-8")
    lines = re.search(r"```python\n(.*?)```", readme, flags=re.DOTALL)
    assert lines is not None
    run(str(python(environment)), "-I", "-c", A_SMALL_NETWORK + lines[1] + ITS_MAPS)


def test_the_tests_of_the_core_pass(environment, tmp_path):
    """Only what compares with MONAI or captum, or runs their networks, is left out."""
    pip(environment, "--target", str(tmp_path), "hypothesis", "pytest", "pytest-xdist")
    pytest_in_it = [str(python(environment)), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    told = run(*pytest_in_it, "tests/core", "tests/baselines", PYTHONPATH=str(tmp_path))
    missing = set(re.findall(r"could not import '(\w+)", told))
    assert missing <= {"captum", "monai"}
