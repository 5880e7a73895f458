"""The public BIDS validator: what it finds wrong with a data set, without a network."""

import json
import os
import subprocess
from importlib.metadata import files
from pathlib import Path
from tempfile import TemporaryDirectory

from hrcam.errors import InputError, require

require(__name__, "bids", "bids_validator_deno")

_SHOWN = 5


def check_bids(folder: Path) -> None:
    """Refuse a data set in which the BIDS validator finds errors.

    Parameters
    ----------
    folder
        Its root.

    Raises
    ------
    InputError
        If there are errors, or the validator cannot read the data set; the message names the first.
    """
    command = [_file("deno", "deno"), "--allow-read", "--allow-env"]
    command += [_file("bids-validator-deno", "bids-validator.js"), str(folder), "--format", "json"]
    # Its cache is in the home folder, which a user in a container may not have.
    with TemporaryDirectory() as cache:
        variables = os.environ | {"DENO_DIR": cache, "NO_COLOR": "1"}
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    try:
        issues = json.loads(done.stdout)["issues"]["issues"]
    except (ValueError, KeyError) as error:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise InputError(f"the BIDS validator cannot read {folder}: {last}") from error
    errors = [issue for issue in issues if issue["severity"] == "error"]
    if errors:
        named = [f"{issue['code']} {issue.get('location', '')}".strip() for issue in errors]
        more = f" and {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        raise InputError(
            f"the BIDS validator finds {len(named)} errors in {folder}: "
            f"{'; '.join(named[:_SHOWN])}{more}. Repair them, or give --skip-bids-validation"
        )


def _file(package: str, stem: str) -> str:
    """Path of a file that a package has installed, ``stem`` or ``stem.exe``."""
    found = (one for one in files(package) or () if one.name in (stem, f"{stem}.exe"))
    return str(next(found).locate())
