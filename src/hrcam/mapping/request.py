"""Which maps a job is asked for, and whether a scan has them."""

from dataclasses import dataclass

from hrcam.artifacts.map_names import ScanPlace
from hrcam.artifacts.maps_folder import MapsWriter
from hrcam.artifacts.scan_record import Form, MapInput
from hrcam.errors import InputError
from hrcam.training.run import Run


@dataclass(frozen=True)
class MapRequest:
    """The maps that are wanted of each scan.

    Attributes
    ----------
    map_class
        Name of the class to explain; None for the one that the prediction leads to.
    all_classes
        Explain the others too.
    form
        Which maps are written, and how.

    Raises
    ------
    InputError
        If all classes are wanted and one of them alone.
    """

    map_class: str | None
    all_classes: bool
    form: Form

    def __post_init__(self) -> None:
        """Refuse all classes together with one."""
        if self.all_classes and self.map_class is not None:
            raise InputError(
                f"all classes are asked for, and {self.map_class!r} alone: leave out one of them"
            )

    def class_index(self, run: Run) -> int | None:
        """Return the index of the class to explain; None for the one of the prediction.

        Raises
        ------
        InputError
            If the run has no such class.
        """
        if self.map_class is None:
            return None
        if self.map_class not in run.classes:
            raise InputError(
                f"there is no class {self.map_class!r}: choose one of {', '.join(run.classes)}"
            )
        return run.classes.index(self.map_class)

    def is_met(self, run: Run, folder: MapsWriter, place: ScanPlace, source: MapInput) -> bool:
        """Tell whether a scan has these maps, up to date."""
        further = run.classes if self.all_classes else ()
        return folder.is_done(place, source, self.map_class, self.form, run.reference, further)
