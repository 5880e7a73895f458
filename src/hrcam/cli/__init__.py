"""The command line: parse, call, print. One module per command; help lists them in this order."""
# ruff: noqa: I001 - in the order of a workflow, as help lists them

from hrcam.cli.application import app
from hrcam.cli import demo
from hrcam.cli import check
from hrcam.cli import train
from hrcam.cli import map as map_
from hrcam.cli import report
from hrcam.cli import group
from hrcam.cli import send
from hrcam.cli import simulate
from hrcam.cli import benchmark

__all__ = [
    "app",
    "benchmark",
    "check",
    "demo",
    "group",
    "map_",
    "report",
    "send",
    "simulate",
    "train",
]
