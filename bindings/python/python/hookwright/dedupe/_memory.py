"""Dedupe within one process."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from hookwright._errors import ConfigurationError, HookwrightError
from hookwright.dedupe._claim import DEFAULT_LEASE, DEFAULT_TTL, Claim, ClaimState, new_token, positive_seconds

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

__all__ = ["MemoryDedupe"]


class MemoryDedupe:
    """Remembers ids in memory: for tests, for development, and for a single process that may forget on restart."""

    def __init__(
        self,
        *,
        ttl: timedelta | float = DEFAULT_TTL,
        lease: timedelta | float = DEFAULT_LEASE,
        max_entries: int = 100_000,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if max_entries < 1:
            message = "max_entries must be at least 1"
            raise ConfigurationError(message)
        self._ttl = positive_seconds("ttl", ttl)
        self._lease = positive_seconds("lease", lease)
        self._max_entries = max_entries
        self._clock = clock
        self._lock = threading.Lock()
        self._in_flight: dict[str, tuple[str, float]] = {}
        # By time of expiry, because every entry lives equally long: the first is always the next to go.
        self._done: OrderedDict[str, float] = OrderedDict()

    def claim(self, key: str) -> Claim:
        """Make `key` the caller's if it is nobody's."""
        with self._lock:
            now = self._clock()
            self._forget_expired(now)
            if key in self._done:
                return Claim(key, ClaimState.DONE)
            held = self._in_flight.get(key)
            if held is not None and held[1] > now:
                return Claim(key, ClaimState.IN_FLIGHT)
            if held is None:
                self._make_room(now)
            token = new_token()
            self._in_flight[key] = (token, now + self._lease)
            return Claim(key, ClaimState.NEW, token)

    def done(self, claim: Claim) -> bool:
        """Remember that the event was handled."""
        with self._lock:
            if not self._holds(claim):
                return False
            del self._in_flight[claim.key]
            self._done[claim.key] = self._clock() + self._ttl
            return True

    def release(self, claim: Claim) -> bool:
        """Forget the claim, so that the next delivery is handled."""
        with self._lock:
            if not self._holds(claim):
                return False
            del self._in_flight[claim.key]
            return True

    def __len__(self) -> int:
        with self._lock:
            return len(self._done) + len(self._in_flight)

    def _holds(self, claim: Claim) -> bool:
        held = self._in_flight.get(claim.key)
        return held is not None and held[0] == claim.token

    def _forget_expired(self, now: float) -> None:
        while self._done:
            key, expires_at = next(iter(self._done.items()))
            if expires_at > now:
                return
            del self._done[key]

    def _make_room(self, now: float) -> None:
        if len(self._done) + len(self._in_flight) < self._max_entries:
            return
        if self._done:
            # The oldest, which is the one least likely to come again.
            self._done.popitem(last=False)
            return
        expired = [key for key, (_, expires_at) in self._in_flight.items() if expires_at <= now]
        for key in expired:
            del self._in_flight[key]
        if not expired:
            # Everything is being handled at this moment; taking one more would mean to forget one of those.
            message = f"{self._max_entries} events are being handled at once; raise max_entries"
            raise HookwrightError(message, code="dedupe_full")
