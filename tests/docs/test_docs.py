"""The documentation: every block runs, and nothing in it lags behind the program."""

import ast
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from doc_pages import DOCS, Block, blocks, pages, read

import hrcam
from hrcam.cli import app
from hrcam.cli.bids_app import _parser as app_parser
from hrcam.cohort.problems import Reason
from hrcam.cohort.reasons import EXPLANATIONS

# Written by others, or without anything to run.
_RUNNABLE = [
    page for page in pages() if any(b.language in ("python", "bash") for b in blocks(page))
]


@pytest.mark.xdist_group("docs")
@pytest.mark.parametrize("page", _RUNNABLE)
def test_every_block_of_a_page_runs(page, ran):
    ran(page)


def commands() -> dict[tuple[str, ...], dict[str, object]]:
    """Options of every command, by its words."""

    def walk(command, words):
        yield words, {name: p for p in command.params for name in (*p.opts, *p.secondary_opts)}
        for name, sub in getattr(command, "commands", {}).items():
            yield from walk(sub, (*words, name))

    return dict(walk(typer.main.get_command(app), ()))


COMMANDS = commands()
LEAVES = [
    words for words in COMMANDS
    if words and not any(other[:-1] == words for other in COMMANDS)
]  # fmt: skip


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_every_command_has_its_options_on_its_page(words):
    assert f"```{{command-options}} {' '.join(words)}\n" in read(f"commands/{words[0]}")


OTHER_PROGRAMS = ("apptainer", "docker", "hrcam-bids")


def hrcam_lines() -> Iterator[tuple[str, str]]:
    """Every command line in the documentation, run or not, in blocks and in the text."""
    for page in pages():
        for block in blocks(page):
            if block.language == "bash":
                yield from (
                    (page, one.strip())
                    for one in block.commands
                    if "hrcam " in one and one.split()[0] not in OTHER_PROGRAMS
                )
        for inline in re.findall(r"(?<!`)`(hrcam [^`\n]+)`(?!`)", read(page)):
            yield page, inline


@pytest.mark.parametrize(("page", "line"), list(dict.fromkeys(hrcam_lines())))
def test_commands_and_options_in_the_text_exist(page, line):
    words = shlex.split(line.replace("…", ""))[1:]
    names: tuple[str, ...] = ()
    known = set(COMMANDS[()])
    for word in words:
        if (*names, word) in COMMANDS:
            names = (*names, word)
            known |= set(COMMANDS[names])
        elif word == "KIND":
            known |= {name for one in LEAVES if one[:-1] == names for name in COMMANDS[one]}
        elif word.startswith("--"):
            assert word.partition("=")[0] in known | {"--help"}, f"{page}: {line}"
    assert names or not words or words[0].startswith("--") or words[0].isupper(), line


def test_options_named_in_the_text_exist():
    known = {name for options in COMMANDS.values() for name in options} | {"--help"}
    of_app = {name for action in app_parser()._actions for name in action.option_strings}
    for page in pages():
        there = known | of_app | {"--gpus", "--nv"} if page == "how-to/bids-app" else known
        for name in re.findall(r"`(--[a-z][a-z_-]*)", read(page)):
            assert name in there, f"{page}: {name}"


@pytest.mark.parametrize("page", pages())
def test_shell_blocks_are_valid_shell(page):
    for block in blocks(page):
        if block.language == "bash":
            done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True)
            assert done.returncode == 0, f"{page}.md:{block.line}: {done.stderr}"


def test_every_reason_has_words():
    assert set(EXPLANATIONS) == set(Reason)
    assert "```{refusal-reasons}" in read("commands/check")


def test_the_networks_are_those_that_train_knows():
    from hrcam.training.network import NETWORKS

    listed = re.search(r"^\{\.networks\}\n((?:- .*\n)+)", read("commands/train"), re.MULTILINE)
    assert listed is not None
    assert set(re.findall(r"`([^`]+)`", listed[1])) == set(NETWORKS)


@cache
def _texts() -> tuple[str, ...]:
    """Every piece of text in the source code; docstrings among it do no harm."""
    return tuple(
        node.value
        for path in Path(hrcam.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def quoted_messages() -> Iterator[tuple[str, str]]:
    """Messages that pages explain: terms of definition lists, and what is quoted in tables."""
    for page in pages():
        for term in re.findall(r"^(`[^\n]*`)\n: ", read(page), flags=re.MULTILINE):
            yield from ((page, message) for message in re.findall(r"`([^`]+)`", term))


@pytest.mark.parametrize(("page", "message"), list(dict.fromkeys(quoted_messages())))
def test_messages_in_the_text_are_those_of_the_program(page, message):
    parts = [part.strip() for part in message.split("…") if len(part.strip(" ().,:;")) > 2]
    assert parts
    for part in parts:
        assert any(part in text for text in _texts()), f"{page}: {part!r}"


def test_troubleshooting_is_in_alphabetical_order():
    for section in read("how-to/troubleshooting").split("\n## ")[1:-1]:
        terms = re.findall(r"^`([^`]*)`.*\n: ", section, flags=re.MULTILINE)
        keys = [
            re.sub(r"[^a-z0-9 ]", "", term.replace("…", "").casefold()).strip() for term in terms
        ]
        assert keys == sorted(keys), section.splitlines()[0]


def test_blocks_that_do_not_run_are_few_and_marked():
    skipped = [
        (page, block.line)
        for page in pages()
        for block in blocks(page)
        if block.language in ("python", "bash") and block.has("no-run")
    ]
    runs = sum(block.language in ("python", "bash") for page in pages() for block in blocks(page))
    assert len(skipped) <= runs / 4, skipped


def test_only_known_languages_and_marks_are_used():
    def odd(block: Block) -> bool:
        known = {".no-run", ".archive", ".output", ".about", ".file", ".tree", ".exit-1"}
        marks = {mark for mark in block.attributes if not mark.startswith("data-path=")}
        return block.language not in ("python", "bash", "text") or not marks <= known

    assert not [(page, b.line) for page in pages() for b in blocks(page) if odd(b)]


def test_no_page_is_left_out():
    text = "".join(read(page) for page in ("index", "reference/index"))
    assert all(
        re.search(rf"^({re.escape(page)}|{re.escape(Path(page).name)})$", text, re.MULTILINE)
        for page in pages()
        if page != "index"
    )
    assert (DOCS / "images" / "demo.png").is_file()
