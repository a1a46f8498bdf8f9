"""Handling each event once, although it may come several times.

Senders deliver at least once: what they are not sure about, they send again. And a signature without a timestamp can be
replayed by whoever has seen it. So a receiver remembers the ids of what it has handled, and that takes three states::

                 claim                        handler succeeds
    unknown ───────────────► in flight ──────────────────────────► done, for `ttl`
       ▲                        │
       └────────────────────────┘
         handler fails, or `lease` is over: the process that had it has died

Only who made an id go from unknown to in flight may handle the event. The step is atomic in every store, so two
deliveries of the same event at the same moment, to two processes, still run one handler. Marking before handling loses
events when the handler fails; marking after handling repeats them when two come at once; this does neither.

==================================  =======================================================================
:class:`MemoryDedupe`               one process; forgets on restart
:class:`SqliteDedupe`               the processes of one machine; a file
``redis.RedisDedupe``               any number of machines
``sqlalchemy.SqlAlchemyDedupe``     in the handler's own transaction: handled and remembered, or neither
==================================  =======================================================================
"""

from hookwright.dedupe._claim import DEFAULT_LEASE, DEFAULT_TTL, Claim, ClaimState, DedupeStore
from hookwright.dedupe._memory import MemoryDedupe
from hookwright.dedupe._sqlite import SqliteDedupe

__all__ = ["DEFAULT_LEASE", "DEFAULT_TTL", "Claim", "ClaimState", "DedupeStore", "MemoryDedupe", "SqliteDedupe"]
