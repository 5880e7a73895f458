"""The first sheet of an Excel workbook as text."""

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from pathlib import Path
from xml.etree.ElementTree import ParseError

from hrcam.errors import InputError

SUFFIX = ".xlsx"


def workbook_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each row of the first sheet, as text.

    A number is written as in a CSV file, and with leading zeros where the cell shows some; a date
    as 2026-11-30. Of a formula it is the value that Excel saved with it.

    Raises
    ------
    InputError
        If the file is no workbook, or damaged.
    """
    import openpyxl

    try:
        book = openpyxl.load_workbook(path, data_only=True, read_only=True)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # which some programs write wrong
        for number, row in enumerate(sheet.iter_rows(), start=1):
            yield number, [_text(cell.value, cell.number_format) for cell in row]
        book.close()
    except (zipfile.BadZipFile, KeyError, ValueError, IndexError, ParseError) as error:
        raise InputError(
            f"{path} is no Excel workbook, or damaged ({error}): save it again, or as CSV in UTF-8"
        ) from error


def _text(value: object, number_format: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and re.fullmatch("0+", number_format):
        return f"{value:0{len(number_format)}}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, datetime) and value.time() == time():
        value = value.date()
    return value.isoformat() if isinstance(value, date | datetime | time) else str(value)
