"""The directive ``command-options``: usage, arguments and options, taken from the application.

A page that shows them this way cannot lag behind the program.
"""

import re
from collections.abc import Iterator
from typing import Any

import typer
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from hrcam.cli import app

# What Typer appends to the text of a parameter: "[default: 5; x>=2; required]".
_NOTES = re.compile(r"\s*\[(?P<notes>[^\[\]]*)\]$")


class CommandOptions(SphinxDirective):
    """Document the parameters of one command, whose name is the argument: ``simulate lesions``."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return the nodes."""
        words = self.arguments[0].split()
        command, context = find_command(words)
        text = "\n".join(_markdown(command, context, words))
        return self.parse_text_to_nodes(text)


def find_command(words: list[str]) -> tuple[Any, typer.Context]:
    """Return a command of the application, and a context in which it describes itself."""
    command: Any = typer.main.get_command(app)
    context = typer.Context(command, info_name="hrcam")
    for word in words:
        if word not in getattr(command, "commands", {}):
            raise ExtensionError(f"there is no command {' '.join(['hrcam', *words])}")
        command = command.commands[word]
        context = typer.Context(command, info_name=word, parent=context)
    return command, context


def parameters(command: Any, context: typer.Context) -> Iterator[tuple[Any, str, str, str]]:
    """Yield each parameter with its value's name, its text, and its default and limits."""
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is None or parameter.name == "help":
            continue
        signature, text = record
        found = _NOTES.search(text)
        value = re.search(r"<(.*)>(\.\.\.)?$", signature)
        yield (
            parameter,
            value[1].removesuffix(" range") if value else "",
            text[: found.start()] if found else text,
            found["notes"] if found else "",
        )


def _markdown(command: Any, context: typer.Context, words: list[str]) -> Iterator[str]:
    described = list(parameters(command, context))
    arguments = [one for one in described if one[0].param_type_name == "argument"]
    options = [one for one in described if one[0].param_type_name == "option"]
    required = " ".join(
        f"{one[0].opts[0]} {one[0].name.upper()}" for one in options if one[0].required
    )
    name = " ".join(["hrcam", *words])
    placeholders = " ".join(_placeholder(one[0]) for one in arguments)
    usage = " ".join(part for part in (name, placeholders, required, "[OPTIONS]") if part)
    yield from ("```text", usage, "```", "", f"```{{program}} {name}", "```", "")
    for parameter, _, text, _ in arguments:
        yield from (f"`{_placeholder(parameter)}`", f": {text}", "")
    for parameter, value, text, notes in options:
        names = ", ".join([*parameter.opts, *parameter.secondary_opts])
        shown = f"{names} <{value}>" if value else names
        yield from (f"````{{option}} {shown}", " ".join((text, _in_words(notes))).strip(), "````")
        yield ""


def _placeholder(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name).upper()


def _in_words(notes: str) -> str:
    """Say "[default: 5; x>=2; required]" in words."""
    words = []
    # Not within brackets: "[default: (1; full: 3); x>=1]" is two notes.
    for note in filter(None, re.split(r"; (?![^()]*\))", notes)):
        name, _, value = note.partition(": ")
        if name == "default":
            words.append(f"Default: {value.strip('()')}.")
        elif note == "required":
            words.append("Required.")
        elif found := re.fullmatch(r"x(>=|<=)(.*)", note):
            words.append(f"At {'least' if found[1] == '>=' else 'most'} {float(found[2]):g}.")
        elif found := re.fullmatch(r"(.*)<=x<=(.*)", note):
            words.append(f"From {float(found[1]):g} to {float(found[2]):g}.")
        else:
            raise ExtensionError(f"no words for the note {note!r} of an option")
    return " ".join(words)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-options", CommandOptions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
