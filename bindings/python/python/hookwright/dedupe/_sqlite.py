"""Dedupe in a file, shared by the processes of one machine."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any

from hookwright._errors import ConfigurationError
from hookwright._sqlite import use_write_ahead_log
from hookwright.dedupe._claim import DEFAULT_LEASE, DEFAULT_TTL, Claim, ClaimState, new_token, positive_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

__all__ = ["SqliteDedupe"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS hookwright_dedupe (
    key        TEXT PRIMARY KEY,
    token      TEXT,           -- of the claim that is in flight; NULL once it is done
    expires_at REAL NOT NULL   -- in flight: when the lease is over; done: when the id is forgotten
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS hookwright_dedupe_expires_at ON hookwright_dedupe (expires_at);
"""

# One statement, so that SQLite's write lock makes it atomic: it changes a row only if there is none that counts.
_CLAIM = """
INSERT INTO hookwright_dedupe (key, token, expires_at)
VALUES (:key, :token, :lease_until)
ON CONFLICT (key) DO UPDATE
SET token = excluded.token, expires_at = excluded.expires_at
WHERE hookwright_dedupe.expires_at <= :now
"""
_LOOK = "SELECT token FROM hookwright_dedupe WHERE key = :key"
_DONE = "UPDATE hookwright_dedupe SET token = NULL, expires_at = :until WHERE key = :key AND token = :token"
_RELEASE = "DELETE FROM hookwright_dedupe WHERE key = :key AND token = :token"
_FORGET = "DELETE FROM hookwright_dedupe WHERE expires_at <= :now"

#: After this many claims, rows that have expired are deleted.
_FORGET_EVERY = 256


class SqliteDedupe:
    """Remembers ids in an SQLite file: survives restarts, and is shared by all processes that open the file."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        ttl: timedelta | float = DEFAULT_TTL,
        lease: timedelta | float = DEFAULT_LEASE,
        busy_timeout: float = 10.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if os.fspath(path) in {"", ":memory:"}:
            message = "SqliteDedupe needs a file; MemoryDedupe keeps ids in memory"
            raise ConfigurationError(message)
        # Connections are made later, and the process may have changed its folder by then.
        self._path = os.path.abspath(path)  # noqa: PTH100 - as text
        self._ttl = positive_seconds("ttl", ttl)
        self._lease = positive_seconds("lease", lease)
        self._busy_timeout = busy_timeout
        self._clock = clock
        self._local = threading.local()
        self._claims = 0
        # A file that cannot be opened is found out about now and not by the first delivery.
        self._connection()

    def claim(self, key: str) -> Claim:
        """Make `key` the caller's if it is nobody's."""
        connection = self._connection()
        self._claims += 1
        if self._claims % _FORGET_EVERY == 0:
            connection.execute(_FORGET, {"now": self._clock()})
        token = new_token()
        while True:
            now = self._clock()
            values = {"key": key, "token": token, "lease_until": now + self._lease, "now": now}
            if connection.execute(_CLAIM, values).rowcount == 1:
                return Claim(key, ClaimState.NEW, token)
            row = connection.execute(_LOOK, {"key": key}).fetchone()
            if row is not None:
                return Claim(key, ClaimState.DONE if row[0] is None else ClaimState.IN_FLIGHT)
            # Released between the two statements, so it is anybody's again.

    def done(self, claim: Claim) -> bool:
        """Remember that the event was handled."""
        values = {"key": claim.key, "token": claim.token, "until": self._clock() + self._ttl}
        return self._connection().execute(_DONE, values).rowcount == 1

    def release(self, claim: Claim) -> bool:
        """Forget the claim, so that the next delivery is handled."""
        values = {"key": claim.key, "token": claim.token}
        return self._connection().execute(_RELEASE, values).rowcount == 1

    def close(self) -> None:
        """Close this thread's connection; the connections of other threads close when those end."""
        self._local = threading.local()

    def _connection(self) -> sqlite3.Connection:
        # One per thread, because they would wait for each other, and per process, because SQLite forbids to carry one
        # across a fork.
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is not None and connection.process == os.getpid():
            return connection
        connection = sqlite3.connect(
            self._path,
            timeout=self._busy_timeout,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        use_write_ahead_log(connection, patience=self._busy_timeout)
        # What was answered with 200 must not be forgotten when the power fails.
        connection.execute("PRAGMA synchronous = FULL")
        connection.executescript(_SCHEMA)
        # Not before it is as it has to be: should any of this fail, the next claim begins with a new one.
        self._local.connection = connection
        return connection


class _Connection(sqlite3.Connection):
    """A connection that is closed when the thread ends that it belongs to."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - what sqlite3 passes
        # Until it is open there is nothing to close.
        self.process = 0
        super().__init__(*args, **kwargs)
        self.process = os.getpid()

    def __del__(self) -> None:
        # That of the process which this one was forked from is not ours to close.
        if self.process == os.getpid():
            self.close()
