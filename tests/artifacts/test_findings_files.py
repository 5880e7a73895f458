"""The table of regions and what a record says of findings: written, read, refused."""

import dataclasses
import json

import pytest
from written_folders import REGION

from hrcam.artifacts.regions_table import (
    REGION_COLUMNS,
    Region,
    describe_regions,
    encode_regions,
    read_regions,
)
from hrcam.artifacts.scan_findings import MaskScores, ScanFindings
from hrcam.errors import InputError

VOLUME = Region(2, 300, 1234.5, (3, 4, 5), (1.5, -2.25, 8.0), 2.5, 1.25)


def test_regions_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "regions.tsv"
    path.write_bytes(encode_regions([REGION, VOLUME], "lesion"))
    assert read_regions(path) == (REGION, VOLUME)
    first = path.read_text().splitlines()[1].split("\t")
    assert dict(zip(REGION_COLUMNS, first, strict=True))["as_in_controls"] == "False"
    assert first[:5] == ["1", "lesion 1", "lesion", "12", "12"]
    path.write_bytes(encode_regions([], "lesion"))
    assert read_regions(path) == ()
    path.write_bytes(encode_regions([VOLUME], "lesion").replace(b"1234.5", b"large"))
    with pytest.raises(InputError, match="no number"):
        read_regions(path)


def test_more_than_a_tenth_of_controls_are_as_much():
    assert not REGION.as_in_controls
    assert not dataclasses.replace(REGION, control_share=0.1).as_in_controls
    assert dataclasses.replace(REGION, control_share=0.11).as_in_controls
    assert not VOLUME.as_in_controls


def test_every_column_has_its_meaning_and_sizes_their_unit():
    described = describe_regions("mm3")
    assert {*described, "index", "name"} == set(REGION_COLUMNS)
    assert described["size"]["Units"] == "mm^3"
    assert describe_regions("pixels")["peak_x"]["Units"] == "mm"


FOUND = ScanFindings(2, "mm3", 216.0, 1.5, 0.05, 19, scores=MaskScores(0.75, 0.6, 1, 1, 0))


@pytest.mark.parametrize(
    ("found", "statement"),
    [
        (FOUND, "2 regions; 5 % of 19 control images score as high"),
        (
            dataclasses.replace(FOUND, regions=0, control_share=0.25),
            "no finding: 25 % of 19 control images score as high, and a finding is rarer than 10 %",
        ),
        (
            dataclasses.replace(FOUND, regions=0),
            "no finding: every region is smaller than 216 mm3",
        ),
        (
            ScanFindings(1, "pixels", 4.0, 1.0, None, 0, "the run has no reference class"),
            "1 region; not compared with control images: the run has no reference class",
        ),
    ],
)
def test_a_statement_says_what_was_found(found, statement):
    assert found.statement == statement
    content = json.loads(json.dumps(found.to_json()))
    assert content["Statement"] == statement
    assert ScanFindings.from_json(content) == found
    with pytest.raises(ValueError, match="not finite"):
        ScanFindings.from_json(content | {"ControlShare": "nan"})
