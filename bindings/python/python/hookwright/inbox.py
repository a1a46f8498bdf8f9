"""Store first, answer at once, work later.

Senders wait some seconds for an answer, and work that takes longer has to happen after it. But an event that was
answered with success is never sent again, so before the answer it has to be on disk, and whoever works on it has to be
able to fail, die and start again::

    inbox = SqliteInbox("inbox.db")

    @app.post("/webhooks/filedgr")
    @hooks.verified("filedgr", secret)
    def filedgr(event):
        inbox.put(event)                  # on disk, and once, however often it comes

    @inbox.on("vault.created")
    def created(event): ...

    inbox.start()                         # threads of this process, or `inbox.run()` in another one

An event whose handler raises is tried again later, and after the last attempt it stays as `dead`, with the kind of the
error, until somebody calls :meth:`SqliteInbox.retry`.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from hookwright._errors import ConfigurationError, InvalidPayloadError
from hookwright._json import loads
from hookwright._router import Router
from hookwright._sqlite import use_write_ahead_log
from hookwright.dedupe._claim import DEFAULT_LEASE, DEFAULT_TTL, new_token, positive_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from datetime import timedelta

    from hookwright._native import VerifiedWebhook

__all__ = ["SqliteInbox", "StoredWebhook"]

Handler = TypeVar("Handler", bound="Callable[..., Any]")

_logger = logging.getLogger("hookwright")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hookwright_inbox (
    key            TEXT PRIMARY KEY,
    endpoint       TEXT NOT NULL,
    event_id       TEXT,
    event_type     TEXT,
    scheme         TEXT NOT NULL,
    occurred_at_ms INTEGER,
    received_at    REAL NOT NULL,
    body           BLOB,            -- NULL once it is done; the key stays, so that repetitions are known
    data           TEXT,            -- what of the body is the event's, in JSON
    state          TEXT NOT NULL CHECK (state IN ('waiting', 'done', 'dead')),
    attempts       INTEGER NOT NULL DEFAULT 0,
    due_at         REAL NOT NULL,   -- when it is tried next, when the lease is over, or when the key is forgotten
    token          TEXT,            -- of the worker that has it
    last_error     TEXT             -- the kind of it and not the text, which may quote the payload
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hookwright_inbox_due ON hookwright_inbox (state, due_at);
"""

#: Other processes cannot wake this one, so it looks by itself this often.
_POLL_SECONDS = 1.0

#: How long a statement waits for other processes that write.
_BUSY_TIMEOUT_SECONDS = 10.0

#: Pauses after the first, second, … failed attempt, in seconds. With the last of them, an event is tried for 6 hours.
_DELAYS = (1.0, 10.0, 60.0, 300.0, 1800.0, 3600.0, 3 * 3600.0)


@dataclass(frozen=True)
class StoredWebhook:
    """An event that was verified when it came and stored since. Only :meth:`SqliteInbox.put` makes them."""

    endpoint: str
    id: str | None
    type: str | None
    scheme: str
    occurred_at_ms: int | None
    body: bytes
    data: Any
    #: 1 the first time.
    attempt: int

    def json(self) -> Any:  # noqa: ANN401 - it is JSON
        """Parse the whole body."""
        return loads(self.body)


class SqliteInbox:
    """Events on disk, with handlers that work on them."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: timedelta | float = DEFAULT_TTL,
        lease: timedelta | float = DEFAULT_LEASE,
        delays: Sequence[float] = _DELAYS,
        on_dead: Callable[[StoredWebhook, Exception], None] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Open the file, or make it.

        :param ttl: how long ids of finished events are remembered.
        :param lease: how long a handler may take before another worker takes its event over.
        :param delays: pauses after failed attempts; there is one attempt more than there are pauses.
        :param on_dead: called when the last attempt has failed.
        """
        # Connections are made later, and the process may have changed its folder by then.
        self._path = os.path.abspath(path) if os.fspath(path) not in {"", ":memory:"} else ""  # noqa: PTH100 - as text
        self._ttl = positive_seconds("ttl", ttl)
        self._lease = positive_seconds("lease", lease)
        self._delays = tuple(delays)
        self._on_dead = on_dead
        self._clock = clock
        self._router: Router[Callable[[StoredWebhook], Any]] = Router()
        self._wake = threading.Condition()
        self._stopping = False
        self._threads: list[threading.Thread] = []
        if not self._path:
            message = "an inbox needs a file, or a restart would lose what was answered with success"
            raise ConfigurationError(message)
        with self._connect() as connection:
            use_write_ahead_log(connection, patience=_BUSY_TIMEOUT_SECONDS)
            connection.executescript(_SCHEMA)

    def on(self, *event_types: str) -> Callable[[Handler], Handler]:
        """Register a handler for event types: ``vault.created``, ``vault.*`` or ``*``."""

        def register(handler: Handler) -> Handler:
            for pattern in event_types or ("*",):
                self._router.add(pattern, None, handler)
            return handler

        return register

    def put(self, event: VerifiedWebhook[Any], *, endpoint: str | None = None, key: str | None = None) -> bool:
        """Store an event; when this returns, it is on disk. False if it was stored before."""
        tells_apart = key if key is not None else event.id
        if not tells_apart:
            message = "this event has no signed id; pass key=… to say what tells events apart"
            raise InvalidPayloadError(message, code="invalid_payload")
        where = endpoint if endpoint is not None else event.scheme
        now = self._clock()
        data = event.data_json
        values = (
            f"{where}:{tells_apart}",
            where,
            event.id,
            event.type,
            event.scheme,
            event.occurred_at_ms,
            now,
            event.body,
            data,
            now,
        )
        with self._connect() as connection:
            connection.execute("DELETE FROM hookwright_inbox WHERE state = 'done' AND due_at <= ?", (now,))
            stored = connection.execute(
                "INSERT OR IGNORE INTO hookwright_inbox (key, endpoint, event_id, event_type, scheme, occurred_at_ms, "
                "received_at, body, data, state, due_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', ?)",
                values,
            )
        with self._wake:
            self._wake.notify()
        return stored.rowcount == 1

    def work_once(self) -> bool:
        """Work on one event that is due. False if none is."""
        taken = self._take()
        if taken is None:
            return False
        key, token, event = taken
        handler = self._router.find(event.type)
        try:
            if handler is not None:
                handler(event)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises, the event is not done
            self._failed(key, token, event, error)
        else:
            self._finish(key, token)
        return True

    def run(self) -> None:
        """Work until :meth:`stop` is called: for a process of its own."""
        while not self._stopping:
            try:
                if self.work_once():
                    continue
            except sqlite3.Error:
                # A disk that is full or a file that is locked now may not be so later.
                _logger.exception("the inbox %s cannot be read", self._path)
            with self._wake:
                if not self._stopping:
                    self._wake.wait(_POLL_SECONDS)

    def start(self, threads: int = 1) -> None:
        """Work in threads of this process."""
        for _ in range(threads):
            thread = threading.Thread(target=self.run, name="hookwright-inbox", daemon=True)
            thread.start()
            self._threads.append(thread)

    def stop(self) -> None:
        """Finish what is being worked on, and no more."""
        self._stopping = True
        with self._wake:
            self._wake.notify_all()
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._stopping = False

    def counts(self) -> dict[str, int]:
        """How many events are ``waiting``, ``done`` and ``dead``."""
        with self._connect() as connection:
            rows = connection.execute("SELECT state, count(*) FROM hookwright_inbox GROUP BY state").fetchall()
        return {"waiting": 0, "done": 0, "dead": 0, **dict(rows)}

    def retry(self) -> int:
        """Try all dead events again; how many there are."""
        with self._connect() as connection:
            revived = connection.execute(
                "UPDATE hookwright_inbox SET state = 'waiting', attempts = 0, due_at = ? WHERE state = 'dead'",
                (self._clock(),),
            )
        with self._wake:
            self._wake.notify_all()
        return revived.rowcount

    def _take(self) -> tuple[str, str, StoredWebhook] | None:
        now, token = self._clock(), new_token()
        with self._connect() as connection:
            # Takes the write lock first, so that nobody else finds the same row.
            connection.execute("BEGIN IMMEDIATE")
            row = connection.execute(
                "SELECT key, endpoint, event_id, event_type, scheme, occurred_at_ms, body, data, attempts "
                "FROM hookwright_inbox WHERE state = 'waiting' AND due_at <= ? ORDER BY due_at, received_at LIMIT 1",
                (now,),
            ).fetchone()
            if row is not None:
                # Until the lease is over it is not due: should this process die, it is tried again then.
                connection.execute(
                    "UPDATE hookwright_inbox SET attempts = attempts + 1, due_at = ?, token = ? WHERE key = ?",
                    (now + self._lease, token, row[0]),
                )
            connection.execute("COMMIT")
        if row is None:
            return None
        key, endpoint, event_id, event_type, scheme, occurred_at_ms, body, data, attempts = row
        event = StoredWebhook(
            endpoint, event_id, event_type, scheme, occurred_at_ms, body, loads(data), attempt=attempts + 1
        )
        return key, token, event

    def _finish(self, key: str, token: str) -> None:
        with self._connect() as connection:
            connection.execute(
                "UPDATE hookwright_inbox SET state = 'done', body = NULL, data = NULL, token = NULL, due_at = ? "
                "WHERE key = ? AND token = ?",
                (self._clock() + self._ttl, key, token),
            )

    def _failed(self, key: str, token: str, event: StoredWebhook, error: Exception) -> None:
        is_dead = event.attempt > len(self._delays)
        delay = 0.0 if is_dead else self._delays[event.attempt - 1]
        with self._connect() as connection:
            connection.execute(
                "UPDATE hookwright_inbox SET state = ?, due_at = ?, token = NULL, last_error = ? "
                "WHERE key = ? AND token = ?",
                ("dead" if is_dead else "waiting", self._clock() + delay, type(error).__name__, key, token),
            )
        level = logging.ERROR if is_dead else logging.WARNING
        _logger.log(level, "%s: attempt %s failed", key, event.attempt, exc_info=error)
        if is_dead and self._on_dead is not None:
            self._on_dead(event, error)

    @contextmanager
    def _connect(self) -> Generator[sqlite3.Connection, None, None]:
        connection = sqlite3.connect(self._path, timeout=_BUSY_TIMEOUT_SECONDS, isolation_level=None)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
        finally:
            connection.close()
