"""The script that measures cost is not run here, as it takes minutes: what it imports is there."""

import ast
import importlib
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "cost.py"


def test_what_the_cost_script_imports_of_hrcam_is_there():
    imported = [
        (node.module, name.name)
        for node in ast.walk(ast.parse(SCRIPT.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hrcam")
        for name in node.names
    ]
    assert ("hrcam.levels", "find_levels") in imported
    for module, name in imported:
        assert hasattr(importlib.import_module(module), name), f"{module} has no {name}"
