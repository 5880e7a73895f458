"""Compare the maps of two groups, and write what was found."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from hrcam.artifacts.atomic import check_writable
from hrcam.artifacts.formats import read_rows
from hrcam.artifacts.maps_folder import read_maps
from hrcam.errors import InputError
from hrcam.group.clusters import clusters_of
from hrcam.group.comparison import Comparison
from hrcam.group.design import design_of
from hrcam.group.participants import choose_groups
from hrcam.group.permutation import permutation_test
from hrcam.group.template_space import mean_maps, template_space
from hrcam.group.write import claim, write_comparison


def compare_groups(
    maps: str | Path,
    out: str | Path,
    *,
    groups: tuple[str, str] | None = None,
    of_class: str | None = None,
    covariates: Sequence[str] = (),
    table: str | Path | None = None,
    space: str | None = None,
    permutations: int = 5000,
    seed: int = 0,
    workers: int = 1,
) -> Comparison:
    """Test where the patterns of two groups differ, given covariates.

    Maps of scans that the networks have learnt from depend on their labels and are left out. The
    maps of a participant are averaged.

    Parameters
    ----------
    maps
        Folder of `hrcam map`, of scans in one template space.
    out
        Folder for the results; files of an earlier comparison are replaced.
    groups
        The two true classes to compare; None where the scans have two.
    of_class
        The class whose maps are compared; None if all maps are of one.
    covariates
        Columns of the table: numbers, or categories.
    table
        Tab-separated, with a column ``participant_id``, such as ``participants.tsv``.
    space
        Name of the template, where the maps do not tell it.
    permutations
        Number of random relabellings.
    seed
        Random seed.
    workers
        Number of processes. Results depend on it in the digits that permutations leave open.

    Returns
    -------
    What was found; the folder has it as NIfTI, tables and a page.

    Raises
    ------
    InputError
        If the maps are not of two groups in one template space, a covariate cannot be used, or the
        folder has other content.
    """
    if permutations < 1:
        raise InputError(f"permutations is {permutations}: it must be 1 or more")
    check_writable(Path(out))
    claim(Path(out))
    rows = _rows(table, covariates)
    chosen = choose_groups(read_maps(Path(maps)), rows, covariates, of_class, groups)
    design = design_of(chosen, covariates)
    where = template_space(chosen, space)
    values = mean_maps(chosen)
    test = permutation_test(
        values, design, where, permutations=permutations, seed=seed, workers=workers
    )
    found = Comparison(
        chosen,
        design,
        where,
        test,
        clusters_of(test, where, chosen.names),
        values.mean(0),
        permutations,
        seed,
        tuple(covariates),
    )
    write_comparison(found, Path(out))
    return found


def _rows(table: str | Path | None, covariates: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    if table is None:
        if covariates:
            raise InputError(
                f"the covariates {', '.join(covariates)} need a table: give participants.tsv with "
                "--table"
            )
        return {}
    rows = read_rows(Path(table), ("participant_id", *covariates))
    found: dict[str, Mapping[str, str]] = {}
    for row in rows:
        name = row["participant_id"]
        values = {one: row[one] for one in covariates}
        if found.setdefault(name, values) != values:
            raise InputError(
                f"{Path(table).name} has several rows of {name} with different covariates: give a "
                "table with one row for each participant"
            )
    # BIDS tables have sub-01, other tables 01.
    return found | {f"sub-{name}": values for name, values in found.items()}
