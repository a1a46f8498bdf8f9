"""Events that are stored first and worked on later."""

import subprocess
import sys
import threading

import pytest

from hookwright import ConfigurationError, InvalidPayloadError, Webhook
from hookwright.inbox import SqliteInbox
from hookwright.testing import verified_event


@pytest.fixture
def inbox(tmp_path, clock):
    return SqliteInbox(tmp_path / "inbox.db", ttl=1000, lease=100, delays=(10, 20), clock=clock)


def test_what_was_put_is_worked_on_with_everything_it_came_with(inbox):
    """The handler would have less than it had in the request."""
    event = verified_event("user.created", {"id": "user_1"}, event_id="evt_1")
    seen = []
    inbox.on("user.*")(seen.append)
    assert inbox.put(event)
    assert inbox.work_once()
    (stored,) = seen
    assert (stored.id, stored.type, stored.data, stored.body) == (event.id, event.type, event.data, event.body)
    assert (stored.scheme, stored.occurred_at_ms, stored.attempt) == (event.scheme, event.occurred_at_ms, 1)
    assert stored.json() == event.json()
    assert not inbox.work_once()
    assert inbox.counts() == {"waiting": 0, "done": 1, "dead": 0}


def test_an_event_is_stored_once_however_often_it_comes(inbox, clock):
    """Repetitions would be worked on again, during the work and after it."""
    event = verified_event("user.created", {}, event_id="evt_1")
    calls = []
    inbox.on("*")(calls.append)
    assert inbox.put(event)
    assert not inbox.put(event)
    assert inbox.work_once()
    assert not inbox.put(event)
    assert not inbox.work_once()
    assert inbox.put(event, endpoint="another")
    assert inbox.put(event, key="another")
    assert len(calls) == 1
    clock.advance(1000)
    assert inbox.put(verified_event("user.created", {}, event_id="evt_2"))
    assert inbox.put(event), "forgotten after its time"


def test_what_fails_is_tried_again_and_then_kept(inbox, clock):
    """An event would be lost, or tried for ever."""
    dead = []
    inbox._on_dead = lambda event, error: dead.append((event.id, event.attempt, str(error)))
    attempts = []

    @inbox.on("*")
    def fails(event):
        attempts.append(event.attempt)
        raise RuntimeError("the database is away")

    inbox.put(verified_event("user.created", {}, event_id="evt_1"))
    for pause in (10, 20):
        assert inbox.work_once()
        assert not inbox.work_once(), "before it is due"
        clock.advance(pause - 1)
        assert not inbox.work_once(), "before it is due"
        clock.advance(1)
    assert inbox.work_once()
    clock.advance(10_000)
    assert not inbox.work_once()
    assert attempts == [1, 2, 3]
    assert dead == [("evt_1", 3, "the database is away")]
    assert inbox.counts() == {"waiting": 0, "done": 0, "dead": 1}
    # Once the cause is gone, somebody lets it run again.
    assert inbox.retry() == 1
    assert inbox.work_once()
    assert attempts[-1] == 1


def test_a_worker_that_died_is_taken_over_from(tmp_path, clock):
    """Its event would be stuck for ever."""
    path = tmp_path / "inbox.db"
    inbox = SqliteInbox(path, lease=100, clock=clock)
    inbox.put(verified_event("user.created", {}, event_id="evt_1"))
    program = (
        "import os; from hookwright.inbox import SqliteInbox\n"
        f"inbox = SqliteInbox({str(path)!r}, lease=100, clock=lambda: {clock.now})\n"
        "inbox.on('*')(lambda event: os._exit(9))\n"
        "inbox.work_once()"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    attempts = []
    inbox.on("*")(lambda event: attempts.append(event.attempt))
    assert not inbox.work_once(), "the lease is not over"
    clock.advance(100)
    assert inbox.work_once()
    assert attempts == [2]


def test_of_many_workers_one_gets_each_event(tmp_path):
    """Handlers would run twice."""
    inbox = SqliteInbox(tmp_path / "inbox.db")
    lock, ids, done = threading.Lock(), [], threading.Event()

    @inbox.on("*")
    def work(event):
        with lock:
            ids.append(event.id)
            if len(ids) == 40:
                done.set()

    inbox.start(threads=4)
    for number in range(40):
        assert inbox.put(verified_event("user.created", {}, event_id=f"evt_{number}"))
    assert done.wait(60)
    inbox.stop()
    assert sorted(ids) == sorted(f"evt_{number}" for number in range(40))
    assert inbox.counts()["done"] == 40
    # And it can be started again.
    inbox.start()
    inbox.stop()


def test_an_event_that_nobody_wants_is_done(inbox):
    """It would be tried for ever."""
    inbox.put(verified_event("user.created", {}))
    assert inbox.work_once()
    assert inbox.counts()["done"] == 1


def test_what_cannot_be_stored_is_refused_at_once(inbox, tmp_path):
    """It would be answered with success and be lost."""
    webhook = Webhook("a secret for this test", scheme="github")
    with pytest.raises(InvalidPayloadError, match="key="):
        inbox.put(webhook.verify(b"{}", webhook.sign(b"{}")))
    with pytest.raises(InvalidPayloadError):
        inbox.put(webhook.verify(b"\xff", webhook.sign(b"\xff")), key="delivery-1")
    with pytest.raises(ConfigurationError):
        SqliteInbox(":memory:")


def test_a_finished_event_leaves_no_payload_behind(inbox, tmp_path):
    """Customers' data would stay in a file that nobody thinks of."""
    import contextlib
    import sqlite3

    inbox.put(verified_event("user.created", {"name": "private name"}))
    inbox.work_once()
    with contextlib.closing(sqlite3.connect(tmp_path / "inbox.db")) as connection:
        assert connection.execute("SELECT body, data FROM hookwright_inbox").fetchall() == [(None, None)]
