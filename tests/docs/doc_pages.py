"""Pages of the documentation as blocks, and running a page as a reader would.

In front of a fence, ``{.no-run}`` keeps it from being run, ``{.archive}`` gives it an archive on
this machine, ``{.exit-1}`` says with which code the command ends. ``{.output}`` marks what the
block before prints last (``.about``: up to numbers), ``{.file data-path="…"}`` how a file begins,
``{.tree}`` files that are there.
"""

import contextlib
import io
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from archives import has_orthanc, orthanc
from typer.testing import CliRunner

from hrcam.cli import app
from hrcam.cli.bids_app import main as bids_app

_ARCHIVE = "http://localhost:8042/dicom-web"
DOCS = Path(__file__).parents[2] / "docs"

_BLOCK = re.compile(
    r"^(?:\{(?P<attributes>[.#][^\n]*)\}\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$",
    flags=re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """A fenced block: what it is, the line that it starts at, its attributes."""

    language: str
    text: str
    line: int
    attributes: tuple[str, ...]

    def has(self, name: str) -> bool:
        return f".{name}" in self.attributes

    @property
    def exit_code(self) -> int:
        codes = [int(name[6:]) for name in self.attributes if name.startswith(".exit-")]
        return codes[0] if codes else 0

    @property
    def path(self) -> str:
        return next(a for a in self.attributes if a.startswith("data-path="))[11:-1]

    @property
    def commands(self) -> list[str]:
        """Lines of a shell block, with those that go on joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [line for line in lines if line.strip() and not line.startswith("#")]


def pages() -> list[str]:
    """Names of all pages that are written by hand, without the suffix."""
    found = (path.relative_to(DOCS) for path in DOCS.rglob("*.md"))
    return sorted(str(path.with_suffix("")) for path in found if path.parts[0] != "_build")


def read(page: str) -> str:
    return (DOCS / f"{page}.md").read_text(encoding="utf-8")


def blocks(page: str) -> list[Block]:
    text = read(page)
    return [
        Block(
            found["language"],
            found["text"],
            text.count("\n", 0, found.start("text")) + 1,
            tuple((found["attributes"] or "").split()),
        )
        for found in _BLOCK.finditer(text)
    ]


def starts_with(page: str) -> list[str]:
    """Names of the folders that a page expects to be there, from its first line."""
    found = re.match(r"% starts with: (.*)\n", read(page))
    return found[1].split() if found else []


def run_page(page: str, folder: Path) -> None:
    """Run the blocks of a page one after the other, in a folder."""
    names: dict[str, object] = {}
    printed = ""
    with contextlib.chdir(folder):
        for block in blocks(page):
            where = f"{page}.md:{block.line}"
            if block.has("no-run"):
                continue
            if block.language == "python":
                out = io.StringIO()
                with contextlib.redirect_stdout(out):
                    code = compile("\n" * (block.line - 1) + block.text, where, "exec")
                    exec(code, names)
                printed = out.getvalue()
            elif block.has("archive"):
                printed = _run_with_archive(block, where)
            elif block.language == "bash":
                printed = "".join(_run(command, block, where) for command in block.commands)
            elif block.has("output"):
                if not printed:
                    continue
                _check_output(block, printed, where)
            elif block.has("file"):
                content = Path(block.path).read_text(encoding="utf-8")
                assert content.startswith(block.text), f"{where}: {block.path} begins otherwise"
            elif block.has("tree"):
                missing = [name for name in _tree(block) if not list(Path().rglob(name))]
                assert not missing, f"{where}: {missing}"


def _run_with_archive(block: Block, where: str) -> str:
    """Run commands with a real archive in place of that of the page; empty where there is none."""
    if not has_orthanc():
        return ""
    with tempfile.TemporaryDirectory() as folder, orthanc(Path(folder)) as archive:
        commands = [command.replace(_ARCHIVE, archive.web) for command in block.commands]
        return "".join(_run(command, block, where) for command in commands)


def _run(command: str, block: Block, where: str) -> str:
    words = shlex.split(command)
    if words[0] == "hrcam-bids":
        assert bids_app(words[1:]) == block.exit_code, f"{where}: {command}"
        return ""
    assert words[0] == "hrcam", f"{where}: mark what is not ours with {{.no-run}}: {command}"
    result = CliRunner().invoke(app, words[1:])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == block.exit_code, f"{where}: {command}\n{result.output}"
    return str(result.output)


def _check_output(block: Block, printed: str, where: str) -> None:
    """Compare with the last lines that were printed."""
    shown = [line.rstrip() for line in block.text.splitlines()]
    last = [line.rstrip() for line in printed.splitlines()][-len(shown) :]
    if block.has("about"):
        shown, last = ([_without_numbers(line) for line in lines] for lines in (shown, last))
    assert last == shown, f"{where}: this is printed:\n" + printed


def _without_numbers(line: str) -> str:
    """Leave words and signs: numbers may differ between machines, and an interval be missing."""
    line = re.sub(r"\(\d\S* to \d\S*\)", "", line)
    return " ".join(re.sub(r"\d+(\.\d+)?", "#", line).split())


def _tree(block: Block) -> Iterator[str]:
    for line in block.text.splitlines():
        name = re.sub(r"[│├└─\s]", "", line)
        if name and name != "…":
            yield name.rstrip("/")
