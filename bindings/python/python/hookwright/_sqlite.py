"""What SQLite files need that several processes share."""

from __future__ import annotations

import sqlite3
import time

__all__ = ["use_write_ahead_log"]

_PAUSE_SECONDS = 0.005


def use_write_ahead_log(connection: sqlite3.Connection, *, patience: float) -> None:
    """Switch the file to a write-ahead log, whoever else does so at the same moment.

    The timeout of a connection does not cover this: the switch begins as a read, and of two connections that read and
    then want to write SQLite refuses one at once, because each would wait for the other. Workers of one server that
    start on a new file meet here, so the one that was refused asks again; it finds that the switch is done.

    :param patience: seconds after which "database is locked" is raised all the same.
    """
    give_up = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:  # noqa: PERF203 - failing is why it asks again
            # By its text, because Python 3.10 has no code of it.
            if "locked" not in str(error) or time.monotonic() >= give_up:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return
