"""What a long job says of itself."""

import io
import sys
import time

import pytest

from hrcam.progress import Progress, tracked


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_log_has_a_line_every_30_seconds_with_rate_and_time_left(caplog, clock):
    caplog.set_level("INFO", "hrcam")
    with Progress(1000, "mapping", "scans", clock=clock) as progress:
        for _ in range(100):
            clock.now += 0.7
            progress.update()
    assert caplog.messages == [
        "mapping: 43 of 1000 scans, 1.43 a second, 11 min left",
        "mapping: 86 of 1000 scans, 1.43 a second, 11 min left",
    ]


@pytest.mark.parametrize(
    ("seconds", "line"),
    [(31, "1 of 3 volumes, 31 s each, 1 min left"), (9000, "9e+03 s each, 5 h 00 min left")],
)
def test_slow_work_is_told_in_seconds_for_each(caplog, clock, seconds, line):
    caplog.set_level("INFO", "hrcam")
    with Progress(3, "mapping", "volumes", clock=clock) as progress:
        clock.now += seconds
        progress.update()
    assert caplog.messages[0].endswith(line)


def test_what_was_done_before_says_nothing_of_the_speed(caplog, clock):
    caplog.set_level("INFO", "hrcam")
    with Progress(100, "mapping", "scans", clock=clock) as progress:
        for _ in range(90):
            progress.skip()
        clock.now += 40
        progress.update()
    assert caplog.messages == ["mapping: 1 of 10 scans, 40 s each, 6 min left"]


def test_items_are_counted_when_the_next_is_asked_for(caplog, monkeypatch):
    caplog.set_level("INFO", "hrcam")
    monkeypatch.setattr("hrcam.progress._EVERY", 0)
    for item in tracked("abc", 3, "reading", "letters"):
        assert len(caplog.messages) == "abc".index(item)
    assert [line[:22] for line in caplog.messages] == [
        f"reading: {n} of 3 letter" for n in (1, 2, 3)
    ]


def test_a_terminal_has_a_bar_and_nothing_is_logged(monkeypatch, caplog, clock):
    caplog.set_level("INFO", "hrcam")
    terminal = io.StringIO()
    terminal.isatty = lambda: True
    monkeypatch.setattr(sys, "stderr", terminal)
    with Progress(4, "mapping", "scans", clock=clock) as progress:
        clock.now += 60
        progress.skip(1)
        time.sleep(0.11)  # a bar is drawn ten times a second
        progress.update(3, note="loss 0.25")
    assert "loss 0.25" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()
    assert "mapping" in terminal.getvalue()
    assert caplog.messages == []


def test_hidden_it_says_nothing(caplog, clock, capsys):
    caplog.set_level("INFO", "hrcam")
    with Progress(4, "mapping", "scans", shown=False, clock=clock) as progress:
        clock.now += 60
        progress.update(4)
    assert (caplog.messages, capsys.readouterr().err) == ([], "")
