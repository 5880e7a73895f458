"""What each reason means and what to do: the source of the documentation's table."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from hrcam.cohort.problems import Problem, Reason


@dataclass(frozen=True)
class Explanation:
    """A reason in words.

    Attributes
    ----------
    meaning
        What is wrong.
    advice
        What to do.
    """

    meaning: str
    advice: str


EXPLANATIONS: Mapping[Reason, Explanation] = MappingProxyType(
    {
        Reason.MISSING: Explanation(
            "no such file, a link to a file that is not there, or the table names none",
            "correct the path, which is relative to the folder of the table; fetch the content of "
            "links: `datalad get FILE`, or `git annex get FILE`",
        ),
        Reason.EMPTY: Explanation("the file has no content", "copy or export it again"),
        Reason.TRUNCATED: Explanation(
            "the file ends before the image does", "copy or download it again"
        ),
        Reason.LFS_POINTER: Explanation(
            "a pointer of Git LFS or git-annex is in the place of the file",
            "fetch the content: `git lfs pull`, or `datalad get FILE`",
        ),
        Reason.WRONG_FORMAT: Explanation(
            "the content is not what the name says", "give it the right suffix, or convert it"
        ),
        Reason.UNSUPPORTED: Explanation(
            "a kind of image that is not read",
            "convert it to NIfTI, a DICOM series, PNG, TIFF or .npy",
        ),
        Reason.UNREADABLE: Explanation(
            "reading failed", "open the file in the program that wrote it, and export it again"
        ),
        Reason.TIME_AXIS: Explanation(
            "a series of volumes where one volume is expected", "extract one volume, or their mean"
        ),
        Reason.NOT_FINITE: Explanation(
            "voxels that are NaN or infinite", "set them to a value that the image means by them"
        ),
        Reason.CONSTANT: Explanation(
            "every voxel has the same value", "export the image again, or leave it out"
        ),
        Reason.FORMS_DISAGREE: Explanation(
            "the two positions in a NIfTI header, qform and sform, contradict each other",
            "find out which is right, and write it to both",
        ),
        Reason.SINGULAR_AFFINE: Explanation(
            "the affine maps the volume to a plane or less",
            "convert the image again from its source",
        ),
        Reason.SHEARED_AFFINE: Explanation(
            "the axes are not at right angles: accepted", "resample it if that was not intended"
        ),
        Reason.VOXEL_SIZE: Explanation(
            "a voxel size that is zero, negative or not a number",
            "convert the image again from its source",
        ),
        Reason.NO_ORIENTATION: Explanation(
            "the NIfTI header has no valid position: accepted, with axes as they are stored",
            "convert the image again from its source if left and right matter",
        ),
        Reason.SLICE_GAP: Explanation(
            "slices of the series are missing", "export the whole series again"
        ),
        Reason.DUPLICATE_SLICE: Explanation(
            "several slices of the series at one position",
            "export one series, phase or echo to a folder",
        ),
        Reason.GANTRY_TILT: Explanation(
            "the slices are shifted against each other: accepted, with a sheared affine",
            "nothing needs to be done; resample the series if other programs ignore the tilt",
        ),
        Reason.MIXED_SERIES: Explanation(
            "several series in one folder", "give each series a folder of its own"
        ),
        Reason.CHANNEL_MISMATCH: Explanation(
            "the channels of a scan do not have one grid, or other scans have other channels",
            "register the images of a scan and resample them to one grid; give every scan the "
            "same channels",
        ),
        Reason.MIXED_DIMENSIONS: Explanation(
            "slices and volumes in one cohort", "keep slices and volumes in cohorts of their own"
        ),
        Reason.MIXED_SHAPES: Explanation(
            "shapes or voxel sizes differ: accepted",
            "nothing needs to be done: images are resampled to one grid, and maps back",
        ),
        Reason.COLOUR: Explanation(
            "a picture in colour: its luminance is used",
            "keep the colours with --colour rgb if they matter; remove coloured marks if they tell "
            "the class",
        ),
        Reason.MASK_MISMATCH: Explanation(
            "the mask does not have the grid of its image, or it is not clear of which image it is",
            "resample the mask to the image, name image and mask in a table, or write n/a",
        ),
        Reason.NOT_A_MASK: Explanation(
            "the mask holds measurements, not 0 and a few labels",
            "threshold it, and save it without lossy compression",
        ),
        Reason.DUPLICATE_IMAGE: Explanation(
            "the same voxels in several scans",
            "find out whose image it is, and delete the other rows",
        ),
        Reason.DUPLICATE_NAME: Explanation(
            "one participant described twice or in several classes, or names that differ by case, "
            "spacing or a letter only",
            "spell each participant and each class one way, and describe each participant once",
        ),
        Reason.BAD_NAME: Explanation(
            "no participant_id, or one with .., / or \\ or a control character",
            "use letters, digits, - and _",
        ),
        Reason.BAD_ROW: Explanation(
            "the row has more cells than the table has columns",
            "put quotation marks around text that contains the separator",
        ),
        Reason.NO_LABEL: Explanation(
            "the class, or the number for regression, is missing",
            "fill in the column of the labels, or leave the scan out (NA, None, null and the like "
            "mean missing: give a class of that name another one)",
        ),
        Reason.BAD_VALUE: Explanation(
            "with --task regression, a label that is no number, or the same number everywhere; "
            "with --task labels, an answer that is neither yes nor no; without --task, more than "
            "six classes that are numbers: accepted",
            "name the right columns with --label-column, write n/a where a number or an answer is "
            "missing, or leave out --task to learn classes",
        ),
        Reason.SMALL_CLASS: Explanation(
            "the class cannot be learnt and tested on different participants",
            "add participants, merge the class with another, or leave it out",
        ),
        Reason.CLASS_IMBALANCE: Explanation(
            "a class has less than a tenth of the participants of another: accepted, and weighted "
            "in training",
            "read balanced accuracy and sensitivity with their intervals, not accuracy; add scans "
            "of the class if you can",
        ),
        Reason.SPLIT_LEAK: Explanation(
            "a participant, a group or an image is on several sides of the split; as a warning: "
            "names share a stem, and may be of one participant",
            "give all scans that belong together the same split; group names with --group-by",
        ),
        Reason.BAD_SPLIT: Explanation(
            "the column split has another value, or none",
            "write train, validation or test for every scan, or leave the column out",
        ),
        Reason.CONFOUNDED_SITE: Explanation(
            "a class comes from one site only, or class and site go together: a network may learn "
            "the site in place of the class; or, with --leave-out, a value lacks a class and has "
            "no AUC",
            "add scans of that class from another site, or compare within one site",
        ),
        Reason.SHORTCUT: Explanation(
            "a column, the kind of an identifier, or size, format, encoding or border of the "
            "images tells the class by itself: a network may learn what lies behind it, as the "
            "scanner",
            "a site, hospital or scanner: test with `hrcam train --leave-out site`; numbers: score "
            "the network within them, as `hrcam train --by age`; border, size, encoding or kind of "
            "an identifier: leave out the site behind it, crop, or compare scans that are alike in "
            "it; a score of the disease itself is no shortcut",
        ),
    }
)


def problem(scan: str, file: str, reason: Reason, message: str, *, refused: bool = True) -> Problem:
    """Make a problem with the general advice of its reason."""
    return Problem(scan, file, reason, message, EXPLANATIONS[reason].advice, refused)
