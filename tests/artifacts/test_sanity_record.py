"""The checks of a folder of maps: what was written is read, or the reader is told why not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from written_folders import checked, checks, examples, write_checks

from hrcam.artifacts.formats import read_object
from hrcam.artifacts.maps_folder import read_maps
from hrcam.artifacts.sanity_record import is_checked, read_sanity
from hrcam.errors import NewerFormatError


def test_what_was_written_is_read(maps, run):
    sanity = read_sanity(read_maps(maps))
    assert sanity.checks == checks()
    assert (sanity.network, sanity.seen, sanity.others_learnt) == (
        "the network of fold 1", False, True,
    )  # fmt: skip
    written = examples()
    assert (sanity.examples.columns, sanity.examples.rows) == (written.columns, written.rows)
    np.testing.assert_array_equal(sanity.examples.pictures, written.pictures)
    assert not sanity.examples.volumes


def test_checks_are_of_just_these_maps(maps, run):
    assert is_checked(maps, checked(run))
    assert not is_checked(maps, checked(run, fold=2))
    (maps / "sanity.npy").unlink()
    assert not is_checked(maps, checked(run))
    write_checks(maps, run)
    assert is_checked(maps, checked(run))
    (maps / "sanity.json").write_text("{")
    assert not is_checked(maps, checked(run))


def test_checks_are_made_again_where_masks_or_limits_are_others(maps, run):
    now = checked(run)
    assert not is_checked(maps, replace(now, masks=(None,)))
    assert not is_checked(maps, replace(now, limits={"noise": 0.6}))


def test_a_newer_version_is_refused_and_the_first_had_limits_that_changed(maps, run):
    content = read_object(maps / "sanity.json")
    assert content.pop("Format") == 2
    first = {key: value for key, value in content.items() if key not in ("Limits", "Masks")}
    (maps / "sanity.json").write_text(json.dumps(first))
    assert "of an earlier version, which changed a limit" in read_sanity(read_maps(maps))
    assert not is_checked(maps, checked(run))
    (maps / "sanity.json").write_text(json.dumps(content | {"Format": 3}))
    assert "sanity.json has the format 3, and this version" in read_sanity(read_maps(maps))
    with pytest.raises(NewerFormatError, match="update hrcam"):
        is_checked(maps, checked(run))
