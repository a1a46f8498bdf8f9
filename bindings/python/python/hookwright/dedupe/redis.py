"""Dedupe in Redis, for any number of machines: ``pip install hookwright[redis]``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hookwright.dedupe._claim import DEFAULT_LEASE, DEFAULT_TTL, Claim, ClaimState, new_token, positive_seconds

if TYPE_CHECKING:
    from datetime import timedelta

    from redis import Redis

__all__ = ["RedisDedupe"]

# The comparison and the change are one step for everyone else, and only who holds the claim can end it.
_DONE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('SET', KEYS[1], 'done', 'PX', ARGV[2])
    return 1
end
return 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
    return redis.call('DEL', KEYS[1])
end
return 0
"""


class RedisDedupe:
    """Remembers ids in Redis. Give it a client of your own: address, TLS, pool and retries are yours to choose.

    Redis measures `ttl` and `lease` by its own clock. It must not evict keys under memory pressure
    (``maxmemory-policy noeviction``), or handled events will be handled again.
    """

    def __init__(
        self,
        client: Redis,
        *,
        prefix: str = "hookwright:",
        ttl: timedelta | float = DEFAULT_TTL,
        lease: timedelta | float = DEFAULT_LEASE,
    ) -> None:
        self._client: Any = client
        self._prefix = prefix
        self._ttl_ms = max(1, round(positive_seconds("ttl", ttl) * 1000))
        self._lease_ms = max(1, round(positive_seconds("lease", lease) * 1000))
        self._done: Any = self._client.register_script(_DONE)
        self._release: Any = self._client.register_script(_RELEASE)

    def claim(self, key: str) -> Claim:
        """Make `key` the caller's if it is nobody's."""
        token = new_token()
        while True:
            if self._client.set(self._prefix + key, token, nx=True, px=self._lease_ms):
                return Claim(key, ClaimState.NEW, token)
            held = self._client.get(self._prefix + key)
            if held is not None:
                is_done = held in (b"done", "done")
                return Claim(key, ClaimState.DONE if is_done else ClaimState.IN_FLIGHT)
            # Expired or released between the two commands, so it is anybody's again.

    def done(self, claim: Claim) -> bool:
        """Remember that the event was handled."""
        return bool(self._done(keys=[self._prefix + claim.key], args=[claim.token, self._ttl_ms]))

    def release(self, claim: Claim) -> bool:
        """Forget the claim, so that the next delivery is handled."""
        return bool(self._release(keys=[self._prefix + claim.key], args=[claim.token]))
