"""What the images do: both by the same scripts, which run as a user without rights, offline."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nibabel
import pytest
from declared import ROOT

from hrcam import __version__
from hrcam.cli.bids_app import _parser

DOCKER, APPTAINER = (ROOT / name for name in ("Dockerfile", "hrcam.def"))
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
UNKNOWN = 12345
"""A user whom no system knows."""


def test_both_images_take_the_same_steps_and_the_same_files():
    docker, apptainer = (path.read_text("utf-8") for path in (DOCKER, APPTAINER))
    (base,) = re.findall(r"^FROM (\S+)$", docker, re.MULTILINE)
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert re.findall(r"^From: (\S+)$", apptainer, re.MULTILINE) == [base]
    install = "sh /src/container/install.sh /src /opt/hrcam"
    assert install in docker
    assert install in apptainer
    assert re.search(r"^USER [1-9]", docker, re.MULTILINE)
    assert "/opt/hrcam/run.sh" in docker.splitlines()[-1]
    assert 'exec /opt/hrcam/run.sh "$@"' in apptainer
    copied = re.findall(r"^COPY (.*) /src/", docker, re.MULTILINE)
    files = re.search(r"%files\n(.*?)\n\n", apptainer, re.DOTALL)
    assert files is not None
    assert " ".join(copied).split() == [line.split()[0] for line in files[1].splitlines()]
    assert {f"!{name}" for line in copied for name in line.split()} < set(
        (ROOT / ".dockerignore").read_text("utf-8").split()
    )
    assert all((ROOT / name).exists() for line in copied for name in line.split())


def test_every_option_of_the_app_is_on_its_page():
    page = (ROOT / "docs/how-to/bids-app.md").read_text("utf-8")
    options = {name for action in _parser()._actions for name in action.option_strings[:1]}
    assert {name for name in options - {"-h"} if f"`{name}" not in page} == set()
    lines = re.findall(r"^hrcam-bids (.*)$", page, re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        assert _parser().parse_args(line.split()).bids_dir == Path("study")


def told(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow_install
@pytest.mark.xdist_group("install")
def test_what_is_installed_runs_without_a_name_a_home_and_a_network(tmp_path):
    """The packages that hrcam needs are those of this environment, not installed again."""
    version = [sys.executable, "-c", "import sys; print(sys.version_info[:2])"]
    python = shutil.which("python3", path=SYSTEM)  # which any user may run
    if python is None or told(version) != told([python, *version[1:]]):
        pytest.skip(f"there is no Python of the system of version {sys.version_info[:2]}")
    prefix, packages = tmp_path / "opt", str(Path(nibabel.__file__).parents[1])
    variables = [f"PATH={SYSTEM}", f"PYTHONPATH={packages}"]
    install = ["sh", str(ROOT / "container/install.sh"), str(ROOT), str(prefix), "--no-deps"]
    lines = told(["env", *variables, *install]).splitlines()
    assert lines[-1] == f"hrcam-bids {__version__}"
    command = ["env", "-i", *variables, f"{prefix}/run.sh"]
    if os.geteuid() == 0:
        for folder in (tmp_path, *tmp_path.parents):
            if folder == Path(tempfile.gettempdir()):
                break
            folder.chmod(0o755)
        user = ("--reuid", f"{UNKNOWN}", "--regid", f"{UNKNOWN}", "--clear-groups")
        command = ["unshare", "--net", "setpriv", *user, *command]
    asked = [*command, str(tmp_path / "no-study"), str(tmp_path / "out"), "group"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "is no BIDS data set" in done.stderr
