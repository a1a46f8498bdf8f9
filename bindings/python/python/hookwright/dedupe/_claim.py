"""What every store has in common."""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol, runtime_checkable

from hookwright._errors import ConfigurationError

__all__ = ["DEFAULT_LEASE", "DEFAULT_TTL", "Claim", "ClaimState", "DedupeStore", "new_token", "positive_seconds"]

#: Longer than any built-in platform goes on retrying, and than the ten hours of the longest pause in common use.
DEFAULT_TTL = timedelta(days=3)

#: Longer than any sender waits for an answer, so that a slow handler is not overtaken by a retry of its own event.
DEFAULT_LEASE = timedelta(minutes=5)


class ClaimState(enum.Enum):
    """What a store knows about an event."""

    #: Nobody has handled it, and now it is the caller's.
    NEW = "new"
    #: Somebody is handling it at this moment.
    IN_FLIGHT = "in_flight"
    #: It has been handled.
    DONE = "done"


@dataclass(frozen=True)
class Claim:
    """The answer to a claim. The token proves whose it is, should the lease run out and someone else take over."""

    key: str
    state: ClaimState
    token: str = ""


@runtime_checkable
class DedupeStore(Protocol):
    """Remembers what was handled. Implement these three methods to bring a store of your own."""

    def claim(self, key: str) -> Claim:
        """Make `key` the caller's if it is nobody's. Atomic: of two callers, one gets ``NEW``."""
        ...

    def done(self, claim: Claim) -> bool:
        """Remember that the event was handled. False if the lease had run out and another took over."""
        ...

    def release(self, claim: Claim) -> bool:
        """Forget the claim, so that the next delivery is handled. False if it was not the caller's any more."""
        ...


def new_token() -> str:
    """A token that no other claim has."""
    return secrets.token_hex(16)


def positive_seconds(name: str, span: timedelta | float) -> float:
    """A span of time in seconds."""
    seconds = span.total_seconds() if isinstance(span, timedelta) else float(span)
    if not 0 < seconds < float("inf"):
        message = f"{name} must be longer than nothing"
        raise ConfigurationError(message)
    return seconds
