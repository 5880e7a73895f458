"""From a series in an archive to its map in the archive, bit by bit, and what can go wrong."""

import io
import json
import re
import shutil
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import ClassVar

import nibabel
import numpy as np
import pydicom
import pytest
from archives import free_port
from dicom_sources import IDENTIFYING, SLICES, projection, series
from pynetdicom import AE, StoragePresentationContexts, evt
from small_runs import SmallRun, preparation, write_pictures
from typer.testing import CliRunner

from hrcam.artifacts.scan_record import Form
from hrcam.artifacts.stored_objects import read_stored
from hrcam.cli import app
from hrcam.clinical.sending import send_objects
from hrcam.cohort.scan import Scan
from hrcam.errors import ArchiveError, InputError
from hrcam.mapping import map_scans

WAITS = "hrcam.clinical.sending.send._WAITS"


def mapped(folder, images, run, form=None):
    scans = [Scan(f"sub-{name}", name, {"image": path}) for name, path in images.items()]
    report = map_scans(run, scans, folder / "maps", form=form or Form(dicom=True), progress=False)
    assert not report.failed
    return folder / "maps"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Maps of an oblique series and of a projection, with their DICOM objects."""
    folder = tmp_path_factory.mktemp("maps")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hrcam.mapping.stages.check_folder", lambda *_: None)
        volume = SmallRun(preparation((8, 8, 4), (1.0, 1.0, 2.5)))
        path = series(folder / "series", down=True)
        volumes = mapped(folder / "volumes", {"01": path}, volume)
        flat = {"02": projection(folder / "x.dcm", "DX")}
        pictures = mapped(folder / "pictures", flat, SmallRun(preparation((8, 8))))
    return {"series": path, "volumes": volumes, "pictures": pictures}


@pytest.fixture
def folders(made, tmp_path):
    """Copies, to which nothing was sent."""
    return {name: shutil.copytree(path, tmp_path / name) for name, path in made.items()}


@pytest.fixture
def maps(folders):
    return folders["volumes"]


def objects_of(folder):
    return {
        path.name.split("desc-")[1].split("_")[0]: path
        for path in sorted(folder.glob("sub-*/*/*.dcm"))
    }


def test_from_an_archive_and_back_bit_by_bit(folders, maps, archive, tmp_path):
    """C-STORE puts the series in; its map comes from what the archive gives, and goes back."""
    sender = AE("HRCAM")
    sender.requested_contexts = StoragePresentationContexts
    association = sender.associate("127.0.0.1", archive.dicom, ae_title="ORTHANC")
    for file in folders["series"].iterdir():
        assert association.send_c_store(pydicom.dcmread(file)).Status == 0
    association.release()
    exported = tmp_path / "exported"
    exported.mkdir()
    for uid, content in archive.content().items():
        (exported / f"{uid}.dcm").write_bytes(content)
    volume = SmallRun(preparation((8, 8, 4), (1.0, 1.0, 2.5)))
    again = mapped(tmp_path / "again", {"01": exported}, volume)
    for kind, path in objects_of(maps).items():  # the same object, made twice
        other = pydicom.dcmread(objects_of(again)[kind])
        assert other.SOPInstanceUID == pydicom.dcmread(path).SOPInstanceUID

    assert send_objects(maps, archive.web, progress=False).stored == 3
    assert send_objects(folders["pictures"], archive.dimse, progress=False).stored == 3
    content = archive.content()
    assert len(content) == 4 + 3 + 3
    for path in (*objects_of(maps).values(), *objects_of(folders["pictures"]).values()):
        sent = pydicom.dcmread(path)
        back = pydicom.dcmread(io.BytesIO(content[sent.SOPInstanceUID]))
        assert back == sent
        assert back.get("FloatPixelData") == sent.get("FloatPixelData")
        assert back.get("PixelData") == sent.get("PixelData")
    # One study of one patient, with the series that was there and three of each map.
    (study,) = archive.get("studies?expand")
    assert len(study["Series"]) == 1 + 3 + 3


def test_the_map_is_that_of_the_nifti_file(maps):
    nifti = nibabel.load(next(maps.glob("sub-*/*/*desc-pattern*.nii.gz")))
    pm = pydicom.dcmread(objects_of(maps)["pm"])
    frames = np.frombuffer(pm.FloatPixelData, "<f4").reshape(-1, pm.Rows, pm.Columns)
    values = np.asanyarray(nifti.dataobj)
    np.testing.assert_allclose(frames, values.T[::-1], atol=np.abs(values).max() / 990)
    record = json.loads(next(maps.glob("sub-*/*/*_statmap.json")).read_bytes())
    assert {"pm", "seg", "sr"} <= set(record["Files"])
    seg = pydicom.dcmread(objects_of(maps)["seg"])
    labels = np.asanyarray(nibabel.load(next(maps.glob("sub-*/*/*_dseg.nii.gz"))).dataobj)
    segments = {}
    assert len(seg.SegmentSequence) == 1  # which then is that of all frames
    for place, (item, frame) in enumerate(
        zip(seg.PerFrameFunctionalGroupsSequence, seg.pixel_array, strict=True), 1
    ):
        source = item.DerivationImageSequence[0].SourceImageSequence[0]
        number = int(source.ReferencedSOPInstanceUID.rpartition(".")[2])
        assert item.FrameContentSequence[0].DimensionIndexValues == [1, place]
        segments[1, number] = frame
    assert segments
    for index in range(1, labels.max() + 1):
        for number in range(1, SLICES + 1):
            slice_of_region = index == labels[..., SLICES - number].T
            found = segments.get((index, number), np.zeros_like(slice_of_region))
            np.testing.assert_array_equal(found, slice_of_region)
    assert record["Asked"]["DICOM"]


def test_nothing_that_identifies_is_anywhere_but_in_the_objects(folders, archive, capfd, caplog):
    caplog.set_level(0)
    for kind in ("volumes", "pictures"):
        send_objects(folders[kind], archive.web, again=True)
        for path in folders[kind].rglob("*"):
            if path.is_file() and path.suffix != ".dcm":
                text = path.read_bytes().decode("latin-1")
                assert not [one for one in IDENTIFYING if one in text], path
    said = caplog.text + "".join(capfd.readouterr())
    assert "stored 3 objects" in said
    assert not [one for one in IDENTIFYING if one in said]


def test_what_is_stored_is_not_sent_again(maps, archive):
    first = send_objects(maps, archive.web, progress=False)
    assert (first.stored, first.skipped, first.refused) == (3, 0, ())
    rows = read_stored(maps)
    assert {row.archive for row in rows} == {archive.web}
    assert sorted(row.file for row in rows) == sorted(
        path.relative_to(maps).as_posix() for path in objects_of(maps).values()
    )
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", row.stored) for row in rows)
    second = send_objects(maps, archive.web, progress=False)
    assert (second.stored, second.skipped) == (0, 3)
    assert send_objects(maps, archive.dimse, progress=False).stored == 3  # another address
    assert send_objects(maps, archive.web, again=True, progress=False).stored == 3
    report = objects_of(maps)["sr"]
    report.write_bytes(report.read_bytes() + bytes(2))
    assert send_objects(maps, archive.web, progress=False).stored == 1


def test_the_command_sends_and_says_what_is_wrong(maps, archive):
    done = CliRunner().invoke(app, ["send", str(maps), "--pacs", archive.web])
    assert done.exit_code == 0, done.output
    assert "stored 3 objects, 0 were stored already, 0 were refused" in done.output
    done = CliRunner().invoke(
        app, ["send", str(maps), "--pacs", f"NOBODY@127.0.0.1:{archive.dicom}"]
    )
    assert done.exit_code == 1
    assert "rejects the association: see that its AE title is NOBODY" in done.output


@pytest.mark.parametrize(
    "address",
    [
        "pacs",
        "@host:104",
        "A@host",
        "A@host:0",
        "A@host:99999",
        "ftp://host",
        "http://",
        "a\\b@c:1",
    ],
)
def test_an_address_that_is_none(maps, address):
    with pytest.raises(InputError, match="is no address of an archive: write http"):
        send_objects(maps, address)


def test_a_password_does_not_belong_into_the_address(maps):
    with pytest.raises(InputError, match="netrc") as refused:
        send_objects(maps, "https://me:secret@pacs.example.org/dicom-web")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("address", ["http://127.0.0.1:{}/dicom-web", "ORTHANC@127.0.0.1:{}"])
def test_an_archive_that_is_not_there_is_tried_again(maps, monkeypatch, caplog, address):
    monkeypatch.setattr(WAITS, (0.0, 0.0))
    caplog.set_level("INFO", logger="hrcam")
    with pytest.raises(ArchiveError, match="does not answer"):
        send_objects(maps, address.format(free_port()), progress=False)
    assert caplog.text.count("the object is sent again") == 2
    assert not read_stored(maps)


class Answers(BaseHTTPRequestHandler):
    """A DICOMweb service that answers each request with the next status."""

    statuses: ClassVar[list[int]] = []

    def do_POST(self):
        status = self.statuses.pop(0)
        self.rfile.read(int(self.headers["Content-Length"]))
        content = b""
        if status == 202:
            failed = {"00081197": {"vr": "US", "Value": [0x0122]}}
            content = json.dumps({"00081198": {"vr": "SQ", "Value": [failed]}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setattr(WAITS, (0.0, 0.0))
    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/dicom-web"
        server.shutdown()
        thread.join()


def test_a_busy_archive_gets_the_object_later(maps, service):
    Answers.statuses = [503, 429, 200, 200, 200]
    assert send_objects(maps, service, progress=False).stored == 3
    assert not Answers.statuses


@pytest.mark.parametrize(("status", "reason"), [(409, "HTTP 409"), (202, "reason 0x0122")])
def test_a_refused_object_does_not_stop_the_others(maps, service, status, reason):
    Answers.statuses = [status, 200, 200]
    report = send_objects(maps, service, progress=False)
    assert report.stored == 2
    ((file, said),) = report.refused
    assert file.endswith("desc-pm_statmap.dcm")
    assert reason in said
    assert len(read_stored(maps)) == 2


@pytest.mark.parametrize(("status", "advice"), [(401, "netrc"), (404, "precedes /studies")])
def test_an_archive_without_access_or_service(maps, service, status, advice):
    Answers.statuses = [200, status]
    with pytest.raises(ArchiveError, match=advice):
        send_objects(maps, service, progress=False)
    assert len(read_stored(maps)) == 1  # what was stored stays listed


def test_an_archive_that_does_not_know_parametric_maps(maps):
    entity = AE("OLD")
    entity.add_supported_context("1.2.840.10008.5.1.4.1.1.88.34")
    stored = []
    port = free_port()
    handlers = [(evt.EVT_C_STORE, lambda event: stored.append(event.dataset.Modality) or 0)]
    server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
    try:
        report = send_objects(maps, f"OLD@127.0.0.1:{port}", progress=False)
    finally:
        server.shutdown()
    assert (report.stored, stored) == (1, ["SR"])
    assert [said for _, said in report.refused] == [
        "the archive does not take Parametric Map objects",
        "the archive does not take Segmentation objects",
    ]


def test_objects_are_added_to_maps_that_are_there(tmp_path, monkeypatch):
    monkeypatch.setattr("hrcam.mapping.stages.check_folder", lambda *_: None)
    scans = [Scan("sub-01", "01", {"image": projection(tmp_path / "x.dcm", "CR")})]
    run, maps = SmallRun(preparation((8, 8))), tmp_path / "maps"

    def job(form):
        report = map_scans(run, scans, maps, form=form, progress=False)
        return report.done, report.skipped, sorted(objects_of(maps))

    assert job(Form()) == (1, 0, [])
    assert job(Form(dicom=True)) == (1, 0, ["pm", "seg", "sr"])
    assert job(Form(dicom=True)) == job(Form()) == (0, 1, ["pm", "seg", "sr"])
    objects_of(maps)["pm"].unlink()
    assert job(Form(dicom=True)) == (1, 0, ["pm", "seg", "sr"])


def test_a_header_without_a_study_is_a_failure_of_its_scan(tmp_path, monkeypatch):
    monkeypatch.setattr("hrcam.mapping.stages.check_folder", lambda *_: None)
    path = projection(tmp_path / "x.dcm", "CR")
    dataset = pydicom.dcmread(path)
    del dataset.StudyInstanceUID
    dataset.save_as(path)
    scans = [Scan("sub-01", "01", {"image": path})]
    run = SmallRun(preparation((8, 8)))
    report = map_scans(run, scans, tmp_path / "maps", form=Form(dicom=True), progress=False)
    (failure,) = report.failed
    assert "the DICOM header has no StudyInstanceUID" in failure.message


def test_maps_without_objects_have_nothing_to_send(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr("hrcam.mapping.stages.check_folder", lambda *_: None)
    scans = write_pictures(tmp_path / "images", 2)
    maps_of_pictures, run = tmp_path / "maps", SmallRun(preparation((24, 32)))
    map_scans(run, scans, maps_of_pictures, form=Form(dicom=True), progress=False)
    assert caplog.text.count("is not DICOM: such scans have no DICOM objects") == 1
    with pytest.raises(InputError, match="no DICOM objects: map DICOM images with --dicom"):
        send_objects(maps_of_pictures, "A@localhost:104")
