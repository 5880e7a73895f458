"""Jobs on a cluster of two processes give what they give on one machine, whoever dies."""

import json

import dask
import numpy as np
import pytest
from in_process_cluster import InProcessCluster
from PIL import Image as Pillow
from small_runs import files_of
from worker_deaths import ALWAYS, ONCE, Deaths

from hrcam.cluster import open_cluster
from hrcam.cohort import check_cohort, open_cohort
from hrcam.errors import InputError
from hrcam.mapping import map_scans
from hrcam.training import Hardware, TrainingConfig, train_cohort

pytestmark = pytest.mark.xdist_group("dask")

CPU = Hardware(accelerator="cpu", workers=1)
CONFIG = TrainingConfig(folds=2, epochs=2, shape=(16, 16), batch_size=4)
QUIET = {"progress": False}


@pytest.fixture(scope="module")
def deaths(tmp_path_factory):
    """Leaves a file where a worker has died that does so once."""
    return Deaths(tmp_path_factory.mktemp("marks"))


@pytest.fixture(scope="module")
def cluster(deaths):
    """Two processes, which start in a moment, as another has imported what they need."""
    from distributed.utils import get_mp_context

    with dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"}):
        get_mp_context().set_forkserver_preload(["distributed", "hrcam.mapping"])
        with open_cluster("local:2") as opened:
            opened._client.register_plugin(deaths)
            yield opened


def write_pictures(folder, widths):
    folder.mkdir()
    rows = ["participant_id\timage\tlabel"]
    for number, width in enumerate(widths):
        pixels = np.random.default_rng(number).integers(0, 256, (16, width)).astype(np.uint8)
        pixels[:8] //= 1 + number % 2
        Pillow.fromarray(pixels).save(folder / f"{number:02d}.png")
        rows.append(f"p{number:02d}\t{number:02d}.png\t{('dark', 'light')[number % 2]}")
    (folder / "participants.tsv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return write_pictures(tmp_path_factory.mktemp("pictures") / "cohort", [16] * 24)


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    return train_cohort(open_cohort(pictures), out, CONFIG, hardware=CPU, **QUIET).run


def without_durations(folder):
    found = files_of(folder)
    for name in [name for name in found if name.endswith(("manifest.json", "fold.json"))]:
        content = json.loads(found[name])
        for part in (content, *content.get("fold_details", [])):
            part.pop("seconds")
        found[name] = content
    return found


def test_a_check_finds_the_same(cluster, tmp_path, monkeypatch):
    folder = write_pictures(tmp_path / "cohort", [16, 17, 18] * 12)
    (folder / "03.png").write_bytes(b"")
    (folder / "05.png").unlink()
    monkeypatch.chdir(tmp_path)  # relative paths are of this process
    cohort = open_cohort("cohort")
    assert check_cohort(cohort, cluster=cluster, **QUIET) == check_cohort(
        cohort, workers=1, **QUIET
    )


def test_a_trained_run_is_the_same_though_a_worker_died(
    cluster, deaths, pictures, trained, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    cohort = open_cohort(pictures)
    train_cohort(cohort, "run", CONFIG, hardware=CPU, cluster=cluster, **QUIET)
    assert deaths.of_training.exists()
    assert without_durations(tmp_path / "run") == without_durations(trained.folder)


def test_maps_are_the_same_though_a_worker_died(cluster, deaths, trained, tmp_path, monkeypatch):
    widths = [16] * 9 + [ONCE] + [16] * 10
    folder = write_pictures(tmp_path / "new", widths)
    (folder / "04.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    cohort, options = open_cohort("new"), {"batch_size": 1, "hardware": CPU, **QUIET}
    there = map_scans(trained, cohort.scans, "there", cluster=cluster, **options)
    here = map_scans(trained, cohort.scans, "here", **options)
    assert there == here
    assert (there.done, [problem.scan for problem in there.failed]) == (19, ["p04"])
    assert deaths.of_picture.exists()
    assert files_of(tmp_path / "there") == files_of(tmp_path / "here")
    again = map_scans(trained, cohort.scans, "there", cluster=cluster, **options)
    assert (again.done, again.skipped) == (0, 19)


def test_a_picture_that_always_kills_is_one_failure_and_all_others_are_done(cluster, tmp_path):
    folder = write_pictures(tmp_path / "cohort", [16] * 20 + [ALWAYS] + [16] * 20)
    found = check_cohort(open_cohort(folder), cluster=cluster, **QUIET)
    (problem,) = found.refused
    assert (problem.scan, problem.file, problem.reason) == ("p20", "20.png", "unreadable")
    assert problem.message == "4 workers died of it, one after the other"
    assert len(found.accepted.scans) == 40


def _name_of(item):
    return getattr(item, "scan", item).name


def test_a_scan_whose_maps_always_kill_is_one_failure_and_all_others_are_mapped(
    trained, pictures, tmp_path, monkeypatch
):
    monkeypatch.setattr("hrcam.mapping.stages.check_folder", lambda *_: None)
    scans = open_cohort(pictures).scans
    cluster = InProcessCluster(lambda tasks: "p20" in [_name_of(task) for task in tasks])
    report = map_scans(
        trained, scans, tmp_path / "maps", batch_size=8, hardware=CPU, cluster=cluster, **QUIET
    )
    (problem,) = report.failed
    assert (problem.scan, problem.file) == ("p20", str(pictures / "20.png"))
    assert problem.message == "4 workers died of it, one after the other"
    assert report.done == 23
    assert (tmp_path / "maps/failures.tsv").read_text().count("p20") == 1
    # Those of its window are tried alone, after all others.
    scale = 24 + 1  # maps that choose the scale of the overlays, one of them again
    windows = [[_name_of(task) for task in tasks] for tasks in cluster.items[scale:-1]]
    names = [f"p{number:02d}" for number in range(24)]
    assert windows == [names, *([name] for name in names)]
    assert not (tmp_path / "maps/.claims").exists()


@pytest.mark.parametrize(
    ("scheduler", "said"),
    [
        ("nowhere.json", "there is no scheduler file nowhere.json: start `dask scheduler"),
        ("tcp://127.0.0.1:9", "no Dask scheduler answers at tcp://127.0.0.1:9"),
        ("local:many", "the scheduler is 'local:many'"),
    ],
)
def test_a_scheduler_that_is_not_there_is_told(scheduler, said):
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(InputError, match=said),
        open_cluster(scheduler),
    ):
        pass
