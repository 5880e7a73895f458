"""`hrcam demo`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from hrcam.cli.application import app, explained_errors
from hrcam.cli.terminal import aligned


@app.command()
def demo(
    context: typer.Context,
    out: Annotated[Path, typer.Option(help="Folder for the report and all other files.")] = Path(
        "demo"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    subjects: Annotated[int, typer.Option(min=40, help="Number of simulated images.")] = 2000,
    epochs: Annotated[int, typer.Option(min=1, help="Training epochs.")] = 8,
) -> None:
    """Run the whole workflow on a simulated cohort: train, map, compare, report."""
    with explained_errors(context, "nothing is kept; the same command begins again"):
        from hrcam.benchmark.variant import Stage
        from hrcam.demo import run_demo
        from hrcam.demo.method_scores import compare_with_best_rival
        from hrcam.evaluation.estimate import with_interval

        result = run_demo(out, subjects=subjects, epochs=epochs, seed=seed)
    typer.echo(f"\naccuracy of the CNN on test images: {result.accuracy:.3f}")
    typer.echo(f"fidelity of the HR-CAM head (R²):    {result.explainer.fidelity:.3f}\n")
    typer.echo(_plain(result.table.to_dict("records")))
    typer.echo("\nAUPRC of the HR-CAM pattern over that of the best rival:")
    for stage in Stage:
        best = compare_with_best_rival(result.auprc, stage, seed)
        ratio = with_interval(best.ratio, best.low, best.high)
        typer.echo(f"{stage} ({best.rival.setting}): {ratio}")
    typer.echo(f"report: {out / 'report.html'}")


def _plain(rows: list[dict[str, Any]]) -> str:
    """Format a localisation table for the terminal."""
    from hrcam.evaluation.estimate import with_interval

    scores = ("auprc", "pointing", "dice")
    cells = [["method", "stage", "AUPRC", "pointing", "Dice"]]
    for row in rows:
        values = (
            with_interval(row[score], row[f"{score}_low"], row[f"{score}_high"]) for score in scores
        )
        cells.append([str(row["method"]), str(row["stage"]), *values])
    return aligned(cells)
