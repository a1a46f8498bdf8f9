"""Dedupe in the handler's own transaction: ``pip install hookwright[sqlalchemy]``.

The other stores and the handler's database are two systems, and between the commit of the one and the answer of the
other a process can die. Here the id is a row in the same transaction as what the handler does: both are there, or
neither is::

    processed = SqlAlchemyDedupe(Base.metadata)

    @hooks.verified("filedgr")
    def filedgr(event):
        with Session.begin() as session:
            if processed.first_time(session, event):
                session.add(Vault(id=event.data["vaultId"]))
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from hookwright._errors import ConfigurationError, InvalidPayloadError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from sqlalchemy.orm import Session

    from hookwright._native import VerifiedWebhook

__all__ = ["SqlAlchemyDedupe"]


class SqlAlchemyDedupe:
    """A table with one row per event that was handled."""

    #: The table, for migrations and for queries of one's own.
    table: sa.Table

    def __init__(
        self, metadata: sa.MetaData, *, table: str = "hookwright_events", clock: Callable[[], float] = time.time
    ) -> None:
        self._clock = clock
        self.table = sa.Table(
            table,
            metadata,
            sa.Column("endpoint", sa.String(128), primary_key=True),
            sa.Column("event_id", sa.String(256), primary_key=True),
            sa.Column("handled_at", sa.BigInteger, nullable=False, index=True),
        )

    def first_time(
        self,
        session: Session | sa.Connection,
        event: VerifiedWebhook[Any],
        *,
        endpoint: str = "",
        key: str | None = None,
    ) -> bool:
        """Whether the event has not been handled; from now on, and if the transaction commits, it has.

        While another transaction is handling the same event, this waits for how that one ends. With an `AsyncSession`:
        ``await session.run_sync(lambda session: processed.first_time(session, event))``.
        """
        event_id = key if key is not None else event.id
        if event_id is None:
            message = "this event has no signed id; pass key=… to say what tells events apart"
            raise InvalidPayloadError(message, code="invalid_payload")
        values = {"endpoint": endpoint or event.scheme, "event_id": event_id, "handled_at": int(self._clock())}
        connection = session if isinstance(session, sa.Connection) else session.connection()
        insert = self._insert(connection.dialect.name).values(values)
        # How many rows there were is the answer, and SQLAlchemy forgets it for inserts unless it is told not to.
        result = connection.execute(insert.execution_options(preserve_rowcount=True))
        return result.rowcount == 1

    def forget(self, session: Session | sa.Connection, older_than: timedelta) -> int:
        """Delete what was handled longer ago than that; how many rows there were."""
        before = int(self._clock() - older_than.total_seconds())
        connection = session if isinstance(session, sa.Connection) else session.connection()
        return int(connection.execute(sa.delete(self.table).where(self.table.c.handled_at < before)).rowcount)

    def _insert(self, dialect: str) -> Any:  # noqa: ANN401 - the dialects' inserts have no common type with these methods
        if dialect == "postgresql":
            from sqlalchemy.dialects import postgresql

            return postgresql.insert(self.table).on_conflict_do_nothing()
        if dialect == "sqlite":
            from sqlalchemy.dialects import sqlite

            return sqlite.insert(self.table).on_conflict_do_nothing()
        if dialect in {"mysql", "mariadb"}:
            return sa.insert(self.table).prefix_with("IGNORE")
        message = f"SqlAlchemyDedupe works with PostgreSQL, SQLite, MySQL and MariaDB, not with {dialect}"
        raise ConfigurationError(message)
