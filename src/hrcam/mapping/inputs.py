"""Open the input of `hrcam map`: a cohort, a folder of images, an image file or a DICOM series."""

from pathlib import Path

from hrcam.cohort.opening import open_cohort
from hrcam.cohort.opening.grouping import image_name
from hrcam.cohort.opening.layouts import columns_of, layout_of
from hrcam.cohort.opening.name_groups import compiled, group_of
from hrcam.cohort.opening.unlabelled import single_scan
from hrcam.cohort.reading import is_image, name_without_suffix
from hrcam.cohort.reading.files import is_broken_link
from hrcam.cohort.scan import Cohort
from hrcam.cohort.several_labels import SEPARATOR
from hrcam.errors import InputError
from hrcam.training.config import TrainingConfig


def open_input(
    path: str | Path,
    *,
    suffix: str | None = None,
    space: str | None = None,
    desc: str | None = None,
    group_by: str | None = None,
    label_column: str | None = None,
    image_column: str | None = None,
    trained: TrainingConfig | None = None,
) -> Cohort:
    """Open a cohort, or a single image as a cohort of one scan.

    Parameters
    ----------
    path
        A cohort (see `hrcam.cohort.opening`), which may lack labels, an image file, or the
        folder of a DICOM series.
    suffix, space, desc
        BIDS entities that select the images of a BIDS dataset.
    group_by
        Regular expression that names the participant in the name of an image.
    label_column, image_column
        As for `hrcam.cohort.open_cohort`.
    trained
        Options of a training, used as defaults where they apply.

    Raises
    ------
    InputError
        If the path holds none of these.
    """
    path = Path(path)
    if not path.exists() and not is_broken_link(path):
        raise InputError(
            f"{path} does not exist: give a cohort, an image file or the folder of a DICOM series"
        )
    single = not path.is_dir() and is_image(path)
    if trained is not None and not single:
        columns = columns_of(path)
        label_column = label_column or _known(trained.label_column, columns)
        image_column = image_column or _known(trained.image_column, columns)
    layout = "names" if single else layout_of(path, image_column)
    if trained is not None and layout == "bids" and suffix in (None, trained.suffix):
        suffix, space, desc = trained.suffix, space or trained.space, desc or trained.desc
    if trained is not None and layout == "names" and group_by is None:
        group_by = trained.group_by if _fits(trained.group_by, path, single) else None
    if not single:
        return open_cohort(
            path,
            suffix=suffix,
            space=space,
            desc=desc,
            group_by=group_by,
            label_column=label_column,
            image_column=image_column,
        )
    of_cohorts = {"suffix": suffix, "space": space, "desc": desc}
    of_cohorts |= {"label_column": label_column, "image_column": image_column}
    for name, value in of_cohorts.items():
        if value is not None:
            raise InputError(f"{name} is {value!r}, but {path} is one image: leave it out")
    pattern = None if group_by is None else compiled(group_by)
    return single_scan(path, name_without_suffix(path), group_by=pattern)


def _known(column: str | None, columns: tuple[str, ...]) -> str | None:
    """Return a column, or the columns of several labels, that a table has."""
    if column is None or column.casefold() in columns:
        return column
    names = [name.strip().casefold() for name in column.split(SEPARATOR)]
    return column if all(name in columns for name in names) else None


def _fits(group_by: str | None, path: Path, single: bool) -> bool:
    """Tell if the pattern of a training names somebody here, where images may have other names."""
    if group_by is None:
        return False
    pattern = compiled(group_by)
    names = [name_without_suffix(path)] if single else map(image_name, open_cohort(path).scans)
    return any(group_of(pattern, name) for name in names)
