"""What the core and each extra install is what the code imports; what is missing says so."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from declared import CORE, PROJECT, ROOT, brings

from hrcam.errors import HRCAMError, MissingExtraError, require

SOURCE = ROOT / "src" / "hrcam"
DISTRIBUTIONS = packages_distributions()
# The benchmark asks for it before it begins; what else is in its room runs without.
OPTIONAL = {"captum"}


def imported(tree: ast.AST) -> Iterator[str]:
    """The packages that are imported when the code runs, here or in a function."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from (name.name.partition(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield (node.module or "").partition(".")[0]
        else:
            yield from imported(node)


def required(path: Path) -> tuple[str | None, set[str]]:
    """The extra and the packages that a module asks for at its top."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.Expr) and ast.unparse(node).startswith("require("):
            extra, *packages = (ast.literal_eval(one) for one in node.value.args[1:])
            return extra, set(packages)
    return None, set()


PARTS = sorted(path for path in SOURCE.iterdir() if path.suffix == ".py" or path.is_dir())


@pytest.mark.parametrize("part", PARTS, ids=lambda path: path.stem)
def test_a_part_asks_for_what_it_imports(part):
    extra, packages = required(part / "__init__.py") if part.is_dir() else (None, set())
    if extra is not None:
        assert {DISTRIBUTIONS[one][0].lower() for one in packages} <= brings(extra)
    for path in part.rglob("*.py") if part.is_dir() else [part]:
        own_extra, own = required(path)
        third_party = {
            one
            for one in imported(ast.parse(path.read_text("utf-8")))
            if one != "hrcam" and one not in sys.stdlib_module_names
        } - OPTIONAL
        beyond = {one for one in third_party if DISTRIBUTIONS[one][0].lower() not in CORE}
        assert beyond <= packages | own, path
        if own_extra is not None:
            assert {DISTRIBUTIONS[one][0].lower() for one in own} <= brings(own_extra)


def test_all_brings_every_extra_of_users():
    parts = {"benchmark", "bids", "cohort", "dask", "dicom", "group", "report", "simulate"}
    assert brings("all") == set().union(*map(brings, parts))
    assert set(PROJECT["optional-dependencies"]) == parts | {"all", "docs", "lint", "test"}
    assert brings("all") <= brings("test")


def test_the_error_names_the_packages_and_the_command():
    with pytest.raises(MissingExtraError) as caught:
        require("hrcam.attic", "attic", "numpy", "no_such_package", "nor_this")
    text = "hrcam.attic needs no_such_package, nor_this: pip install 'hrcam[attic]'"
    assert str(caught.value) == text
    assert caught.value.name == "no_such_package"
    assert isinstance(caught.value, ImportError)
    assert isinstance(caught.value, HRCAMError)
    require("hrcam.attic", "attic", "numpy")


def without(packages: set[str], code: str) -> subprocess.CompletedProcess[str]:
    """Run code where packages cannot be found."""
    hidden = f"import sys; sys.modules.update(dict.fromkeys({sorted(packages)}))\n"
    return subprocess.run(
        [sys.executable, "-c", hidden + code], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["check", "c"], "cohort"),
        (["train", "c", "--out", "r"], "cohort"),
        (["map", "r", "c", "--out", "m"], "cohort"),
        (["report", "r", "--out", "p"], "report"),
        (["group", "m", "--out", "g"], "group"),
        (["send", "m", "--pacs", "A@host:104"], "dicom"),
        (["simulate", "lesions", "--out", "c"], "simulate"),
        (["benchmark", "--out", "b"], "benchmark"),
        (["demo", "--out", "d"], "benchmark"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_command_without_its_extra_ends_in_one_line(arguments, extra, tmp_path):
    """In a process of its own, as the parts must not have been imported before."""
    packages = {"PIL", "lightning", "matplotlib", "monai", "nibabel", "nilearn", "pandas"}
    arguments = [str(tmp_path / one) if len(one) == 1 else one for one in arguments]
    done = without(packages, f"from hrcam.cli import app; app({arguments!r})")
    assert done.returncode == 1, done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert done.stderr.startswith("error: hrcam.")
    assert done.stderr.endswith(f": pip install 'hrcam[{extra}]'\n")
    assert not list(tmp_path.iterdir())


def test_help_needs_the_command_line_alone():
    packages = {"torch", "numpy", "sklearn", "scipy", "pandas", "joblib", "tqdm", "safetensors"}
    done = without(packages, "from hrcam.cli import app; app(['train', '--help'])")
    assert done.returncode == 0, done.stderr
