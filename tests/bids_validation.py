"""The public BIDS validator, offline."""

import json
import subprocess
from importlib.metadata import files


def _installed(package, name):
    return next(str(file.locate()) for file in files(package) if file.name == name)


def bids_issues(folder, severity="error"):
    """Codes and files of what the validator finds, as (code, path within the folder)."""
    found = subprocess.run(
        [_installed("deno", "deno"), "--allow-read", "--allow-env",
         _installed("bids-validator-deno", "bids-validator.js"), str(folder), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    issues = json.loads(found.stdout)["issues"]["issues"]
    return sorted(
        (issue["code"], issue["location"]) for issue in issues if issue["severity"] == severity
    )
