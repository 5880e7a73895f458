"""The command line: parse, call, print. One file per command; help lists them in this order."""

from hrcam.cli import check, demo, simulate
from hrcam.cli.application import app

__all__ = ["app", "check", "demo", "simulate"]
