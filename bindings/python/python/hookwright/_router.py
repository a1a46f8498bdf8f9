"""From an event type to the handler for it: ``vault.created``, ``vault.*``, ``*``.

The patterns are those of the service: an exact type, a prefix followed by ``.*``, or ``*`` for everything. The most
specific one wins, whatever the order of registration.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hookwright._errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Router"]

Handler = TypeVar("Handler", bound="Callable[..., Any]")

_PATTERN = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*(?:\.\*)?")


class Router(Generic[Handler]):
    """Handlers by pattern, and by version of the payload where there are several."""

    def __init__(self) -> None:
        self._handlers: dict[tuple[str, str | None], Handler] = {}

    def add(self, pattern: str, version: str | None, handler: Handler) -> None:
        """Register a handler. Two for the same events are a mistake: only one of them would run."""
        if pattern != "*" and not _PATTERN.fullmatch(pattern):
            message = f"{pattern!r} is neither an event type such as vault.created, nor vault.*, nor *"
            raise ConfigurationError(message)
        if (pattern, version) in self._handlers:
            message = f"there is a handler for {pattern!r} already"
            raise ConfigurationError(message)
        self._handlers[pattern, version] = handler

    def find(self, event_type: str | None, version: str | None = None) -> Handler | None:
        """The handler for an event. One for its version goes before one for any version of the same pattern."""
        for pattern in _patterns(event_type):
            for wanted in (version, None) if version is not None else (None,):
                handler = self._handlers.get((pattern, wanted))
                if handler is not None:
                    return handler
        return None

    def __len__(self) -> int:
        return len(self._handlers)


def _patterns(event_type: str | None) -> list[str]:
    """What an event type is matched by, the most specific first."""
    if not event_type:
        return ["*"]
    parts = event_type.split(".")
    prefixes = [".".join(parts[:length]) + ".*" for length in range(len(parts) - 1, 0, -1)]
    return [event_type, *prefixes, "*"]
