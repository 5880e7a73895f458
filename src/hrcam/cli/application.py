"""The Typer application of all commands, its logging and its error handling."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, cast

import typer

from hrcam import __version__
from hrcam.cli.terminal import printable
from hrcam.errors import HRCAMError, HRCAMWarning, machine_error

app = typer.Typer(
    name="hrcam",
    help="Class activation maps at the resolution of the image, for any CNN, in 2D and 3D.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


class _Echo(logging.Handler):
    """Print the messages that the library logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print one message to the current standard error stream."""
        typer.echo(record.getMessage(), err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"hrcam {__version__}")
        raise typer.Exit


@app.callback()
def main(
    context: typer.Context,
    debug: Annotated[bool, typer.Option(help="Show the traceback of errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Set up logging for all commands."""
    del version
    context.obj = debug
    log_to_terminal()


def log_to_terminal() -> None:
    """Show the messages of the library on standard error."""
    logger = logging.getLogger("hrcam")
    logger.handlers[:] = [_Echo()]
    logger.setLevel(logging.INFO)


@contextmanager
def explained_errors(context: typer.Context, kept: str) -> Iterator[None]:
    """Explain errors, as `explained`, within a command."""
    with explained(kept, debug=context.obj):
        yield


@contextmanager
def explained(kept: str, *, debug: bool) -> Iterator[None]:
    """Print errors that a user can fix as one line, with exit code 1; others are bugs and raise.

    Warnings of this package are printed as one line each, without their place in the code.

    Parameters
    ----------
    kept
        What an interrupted command leaves, and how to go on: printed after Ctrl-C.
    debug
        Raise all errors, with their traceback.
    """
    with warnings.catch_warnings():
        shown = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
            if issubclass(category, HRCAMWarning):
                typer.echo(printable(f"warning: {message}"), err=True)
            else:
                shown(message, category, *place, **more)

        warnings.showwarning = cast(Any, show)
        try:
            yield
        except KeyboardInterrupt as error:
            typer.echo(f"interrupted: {kept}", err=True)
            raise typer.Exit(130) from error
        except Exception as error:
            known = isinstance(error, (HRCAMError, OSError))
            said = machine_error(error) or (error if known else None)
            if debug or said is None:
                raise
            typer.echo(printable(f"error: {said}"), err=True)
            raise typer.Exit(1) from error
