"""`hrcam-bids`: a BIDS App, with the arguments that users of such programs know."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from hrcam import __version__
from hrcam.artifacts.map_names import SOURCEDATA
from hrcam.cli.application import explained, log_to_terminal
from hrcam.cli.terminal import print_problems, print_unlike
from hrcam.errors import InputError

if TYPE_CHECKING:
    from hrcam.cohort.check import CheckReport
    from hrcam.cohort.scan import Scan

TRAINING = Path(SOURCEDATA, "training")
"""Where the group level trains, in the output folder."""

PAGE = "report.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the app; return its exit code: 0, or 1 if it cannot start or some scans have no maps."""
    options = _parser().parse_args(arguments)
    log_to_terminal()
    try:
        with explained("finished maps are kept; the same command goes on", debug=options.debug):
            _check(options)
            level = _participant if options.analysis_level == "participant" else _group
            return level(options)
    except typer.Exit as end:
        return end.exit_code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hrcam-bids",
        description="Class activation maps of a BIDS data set. 'participant' maps scans with a "
        "finished training; 'group' trains on all participants, maps them, and writes the report.",
    )
    add = parser.add_argument
    add("bids_dir", type=Path, help="root of the BIDS data set; nothing is written to it")
    add("output_dir", type=Path, help="folder for the maps, a BIDS derivative")
    add("analysis_level", choices=("participant", "group"), help="what to do")
    add(
        *("--participant-label", "--participant_label"), nargs="+", metavar="LABEL",
        help="only these participants, with or without 'sub-'",
    )  # fmt: skip
    add(
        *("--session-label", "--session_label"), nargs="+", metavar="LABEL",
        help="only these sessions, with or without 'ses-'",
    )  # fmt: skip
    add(
        "--model", type=Path, metavar="RUN",
        help="folder of a finished `hrcam train` or of an earlier group level; 'group' then only "
        "writes the report",
    )  # fmt: skip
    add("--suffix", help="of the images, e.g. T1w, where there are several")
    add("--space", help="of the images of a derivative, e.g. MNI152NLin2009cAsym")
    add("--desc", help="of the images of a derivative, e.g. preproc")
    add(
        *("--label-column", "--label_column"), metavar="NAME",
        help="of participants.tsv, with the class (default: label, diagnosis or group)",
    )  # fmt: skip
    add("--class", dest="class_name", help="class to explain (default: the predicted one)")
    add("--reference", help="class that maps compare the others with (default: by its name)")
    add("--folds", type=int, default=5, help="of the cross-validation (default: 5)")
    add("--epochs", type=int, help="most epochs of the training")
    add(*("--random-seed", "--random_seed"), type=int, default=0, help="of the training")
    add(
        *("--nprocs", "--n-cpus", "--n_cpus"), type=int, dest="workers",
        help="processes (default: one for each core)",
    )  # fmt: skip
    add("--accelerator", default="auto", help="auto, cpu, gpu, mps, ...")
    add(
        *("--skip-bids-validation", "--skip_bids_validation"), action="store_true",
        help="do not check the data set with the BIDS validator",
    )  # fmt: skip
    add("--skip-bad", action="store_true", help="leave out scans that cannot be used")
    add("--debug", action="store_true", help="show the traceback of errors")
    add("--version", action="version", version=f"hrcam-bids {__version__}")
    return parser


def _check(options: argparse.Namespace) -> None:
    from hrcam.cohort.opening.bids import is_bids

    if not is_bids(options.bids_dir):
        raise InputError(
            f"{options.bids_dir} is no BIDS data set: it has no dataset_description.json"
        )
    if not options.skip_bids_validation:
        from hrcam.cli.bids_validator import check_bids

        check_bids(options.bids_dir)


def _participant(options: argparse.Namespace) -> int:
    model = options.model or options.output_dir / TRAINING
    if options.model is None and not model.is_dir():
        raise InputError(
            "the participant level needs a finished training: give --model, or run the group level "
            "first"
        )
    return _map(options, model)


def _group(options: argparse.Namespace) -> int:
    from hrcam.report.cohort_report import write_cohort_report

    failed = 0
    if options.model is None:
        _train(options)
        failed = _map(options, options.output_dir / TRAINING)
    run = options.model or options.output_dir / TRAINING
    page = write_cohort_report(run, options.output_dir, options.output_dir / PAGE)
    typer.echo(f"report: {page}")
    return failed


def _train(options: argparse.Namespace) -> None:
    from hrcam.cohort import open_cohort
    from hrcam.cohort.problems import RefusedScansError
    from hrcam.training import Hardware, TrainingConfig, train_cohort

    def show(checked: "CheckReport") -> None:
        print_problems(checked.problems, err=True)

    opened = open_cohort(
        options.bids_dir,
        suffix=options.suffix,
        space=options.space,
        desc=options.desc,
        label_column=options.label_column,
    )
    chosen = _chosen(opened.scans, options)
    config = TrainingConfig(
        folds=options.folds,
        epochs=options.epochs,
        reference=options.reference,
        suffix=options.suffix,
        space=options.space,
        desc=options.desc,
        label_column=options.label_column,
        seed=options.random_seed,
    )
    try:
        train_cohort(
            replace(opened, scans=chosen),
            options.output_dir / TRAINING,
            config,
            hardware=Hardware(accelerator=options.accelerator, workers=options.workers),
            skip_bad=options.skip_bad,
            on_checked=show,
        )
    except RefusedScansError as error:
        print_problems(error.problems, err=True)
        raise


def _map(options: argparse.Namespace, model: Path) -> int:
    from hrcam.mapping import map_scans, open_input
    from hrcam.training import Hardware, Run

    trained = Run.open(model)
    cohort = open_input(
        options.bids_dir,
        suffix=options.suffix,
        space=options.space,
        desc=options.desc,
        label_column=options.label_column,
        trained=trained.config,
    )
    report = map_scans(
        trained,
        cohort.scans,
        options.output_dir,
        classes=options.class_name,
        only={scan.name for scan in _chosen(cohort.scans, options)},
        refused=cohort.problems,
        hardware=Hardware(accelerator=options.accelerator, workers=options.workers),
    )
    print_problems(report.failed)
    print_unlike(report.unlike)
    typer.echo(f"maps: {options.output_dir}")
    return int(bool(report.failed) and not options.skip_bad)


def _chosen(scans: "Sequence[Scan]", options: argparse.Namespace) -> "tuple[Scan, ...]":
    """Return the scans of the participants and sessions that are asked for.

    Raises
    ------
    InputError
        If a participant or a session has no scan.
    """
    left = tuple(scans)
    for entity, wanted, option in (
        ("sub", options.participant_label, "--participant-label"),
        ("ses", options.session_label, "--session-label"),
    ):
        names = {f"{entity}-{label.removeprefix(f'{entity}-')}" for label in wanted or ()}
        missing = sorted(names - {part for scan in left for part in scan.name.split("_")})
        if missing:
            raise InputError(f"there is no image of {', '.join(missing)}: see {option}")
        left = tuple(scan for scan in left if not names or names & set(scan.name.split("_")))
    return left
