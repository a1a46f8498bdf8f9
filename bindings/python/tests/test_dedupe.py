"""The stores that remember what was handled, each by the same rules."""

import multiprocessing
import os
import shutil
import subprocess
import sys
import threading

import pytest

from hookwright import ConfigurationError, HookwrightError
from hookwright.dedupe import Claim, ClaimState, DedupeStore, MemoryDedupe, SqliteDedupe
from hookwright.testing import verified_event

NEW, IN_FLIGHT, DONE = ClaimState.NEW, ClaimState.IN_FLIGHT, ClaimState.DONE


class OwnClock:
    """A store whose time is the test's."""

    def __init__(self, make, clock):
        self.store = make(ttl=1000, lease=100, clock=clock)
        self.another = lambda: make(ttl=1000, lease=100, clock=clock)
        self.end_of_lease = lambda key: clock.advance(100)
        self.end_of_ttl = lambda key: clock.advance(1000)


class RedisClock:
    """Redis has a clock of its own. What its passing would do, the test does."""

    def __init__(self, server):
        import redis

        from hookwright.dedupe.redis import RedisDedupe

        client = redis.Redis(unix_socket_path=server)
        client.flushall()
        self.store = RedisDedupe(client, ttl=1000, lease=100)
        self.another = lambda: RedisDedupe(
            redis.Redis(unix_socket_path=server, decode_responses=True), ttl=1000, lease=100
        )
        self.client = client

    def end_of_lease(self, key):
        assert 0 < self.client.pttl("hookwright:" + key) <= 100_000, "the lease is not 100 s"
        self.client.delete("hookwright:" + key)

    def end_of_ttl(self, key):
        assert 100_000 < self.client.pttl("hookwright:" + key) <= 1_000_000, "the ttl is not 1000 s"
        self.client.delete("hookwright:" + key)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory):
    """The real server, on a socket of its own, without anything on disk."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed: apt-get install redis-server")
    folder = tmp_path_factory.mktemp("redis")
    address = str(folder / "redis.sock")
    settings = ["--port", "0", "--unixsocket", address, "--save", "", "--appendonly", "no", "--dir", str(folder)]
    process = subprocess.Popen([program, *settings], stdout=subprocess.PIPE, text=True)
    try:
        # It says so itself when it can be talked to.
        for line in process.stdout:
            if "ready to accept connections" in line.lower():
                break
        else:
            pytest.fail(f"redis-server ended with {process.wait()}")
        # To the end, so that a full pipe never stops the server.
        reader = threading.Thread(target=process.stdout.read, daemon=True)
        reader.start()
        yield address
        process.terminate()
        reader.join()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(params=["memory", "sqlite", "redis"])
def kind(request, clock, tmp_path):
    if request.param == "redis":
        return RedisClock(request.getfixturevalue("redis_server"))
    if request.param == "sqlite":
        return OwnClock(lambda **options: SqliteDedupe(tmp_path / "dedupe.db", **options), clock)
    kept = MemoryDedupe(ttl=1000, lease=100, clock=clock)
    return OwnClock(lambda **options: kept, clock)


@pytest.fixture
def store(kind):
    return kind.store


def test_a_store_is_a_store(store):
    """Whoever brings a store of their own has a type to hold it against."""
    assert isinstance(store, DedupeStore)


def test_an_event_is_new_then_in_flight_then_done(store):
    """The three states are all there is."""
    claim = store.claim("evt_1")
    assert (claim.key, claim.state) == ("evt_1", NEW)
    assert store.claim("evt_1").state is IN_FLIGHT
    assert store.done(claim)
    assert store.claim("evt_1").state is DONE
    assert store.claim("evt_2").state is NEW


def test_a_release_makes_the_event_new_again(store):
    """The event of a handler that failed would be lost."""
    claim = store.claim("evt_1")
    assert store.release(claim)
    assert store.claim("evt_1").state is NEW


def test_a_claim_ends_with_its_lease(kind, store):
    """The event of a process that died would be in flight for ever."""
    dead = store.claim("evt_1")
    kind.end_of_lease("evt_1")
    successor = store.claim("evt_1")
    assert successor.state is NEW
    # And the dead one, coming back to life, ends nothing that is not its own.
    assert not store.done(dead)
    assert not store.release(dead)
    assert store.claim("evt_1").state is IN_FLIGHT
    assert store.done(successor)
    assert store.claim("evt_1").state is DONE
    assert not store.release(dead)
    assert store.claim("evt_1").state is DONE


def test_what_is_done_is_forgotten_after_its_time(kind, store):
    """The store would grow for ever."""
    assert store.done(store.claim("evt_1"))
    assert store.claim("evt_1").state is DONE
    kind.end_of_ttl("evt_1")
    assert store.claim("evt_1").state is NEW


def test_a_claim_that_is_not_new_cannot_be_ended(store):
    """A duplicate that fails would release the event under the handler that has it."""
    claim = store.claim("evt_1")
    other = store.claim("evt_1")
    assert not store.release(other)
    assert not store.done(other)
    assert not store.done(Claim("evt_1", NEW, "a token of nobody"))
    assert not store.done(Claim("evt_1", NEW, ""))
    assert store.done(claim)
    assert not store.release(claim)


@pytest.mark.parametrize("key", ["", "filedgr:évt", "a'b\"c;--", "x" * 1000, "a\x00b", "done"])
def test_keys_are_any_text(store, key):
    """Platforms choose ids, and some of them choose strange ones."""
    claim = store.claim(key)
    assert claim.state is NEW
    assert store.done(claim)
    assert store.claim(key).state is DONE


def test_of_many_threads_one_gets_the_event(kind):
    """Two handlers would run for one event."""
    barrier = threading.Barrier(8)
    stores = [kind.another() for _ in range(8)]
    winners = []

    def deliver(store, number):
        for round_ in range(25):
            barrier.wait()
            claim = store.claim(f"evt_{round_}")
            if claim.state is NEW:
                winners.append((round_, number))
                if round_ % 2:
                    assert store.done(claim)

    threads = [threading.Thread(target=deliver, args=(store, number)) for number, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(round_ for round_, _ in winners) == list(range(25))


def _deliver(path, barrier, results):
    store = SqliteDedupe(path)
    for number in range(20):
        barrier.wait()
        results.put((number, store.claim(f"evt_{number}").state is NEW))


@pytest.mark.parametrize("method", ["spawn", "fork"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_of_many_processes_one_gets_the_event(tmp_path, method):
    """Every gunicorn worker would run the handler."""
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"there is no {method} here")
    context = multiprocessing.get_context(method)
    path = tmp_path / "dedupe.db"
    # Opened before the fork, as an app that preloads does.
    assert SqliteDedupe(path).claim("other").state is NEW
    barrier, results = context.Barrier(4), context.Queue()
    processes = [context.Process(target=_deliver, args=(path, barrier, results)) for _ in range(4)]
    for process in processes:
        process.start()
    won = [results.get(timeout=60) for _ in range(4 * 20)]
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert sorted(number for number, is_new in won if is_new) == list(range(20))


def test_a_crash_between_claim_and_done_frees_the_event_after_the_lease(tmp_path, clock):
    """Kill a worker at the worst moment: the event is neither lost nor stuck."""
    path = tmp_path / "dedupe.db"
    program = (
        "import sys, os; from hookwright.dedupe import SqliteDedupe\n"
        f"store = SqliteDedupe({str(path)!r}, lease=100, clock=lambda: {clock.now})\n"
        "assert store.claim('evt_1').state.value == 'new'\n"
        "os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 9
    store = SqliteDedupe(path, lease=100, clock=clock)
    assert store.claim("evt_1").state is IN_FLIGHT
    clock.advance(100)
    assert store.claim("evt_1").state is NEW


def test_sqlite_deletes_what_has_expired(tmp_path, clock):
    """The file would grow for ever."""
    import contextlib
    import sqlite3

    store = SqliteDedupe(tmp_path / "dedupe.db", ttl=10, clock=clock)
    for number in range(130):
        assert store.done(store.claim(f"evt_{number}"))
    clock.advance(10)
    for number in range(130):
        store.claim(f"later_{number}")
    with contextlib.closing(sqlite3.connect(tmp_path / "dedupe.db")) as connection:
        rows = connection.execute("SELECT count(*) FROM hookwright_dedupe WHERE key LIKE 'evt%'").fetchone()[0]
    assert rows == 0
    store.close()
    assert store.claim("later_1").state is IN_FLIGHT


def test_a_full_memory_refuses_rather_than_forgets_what_is_in_flight(clock):
    """Two handlers would run for the event that was forgotten."""
    store = MemoryDedupe(max_entries=2, lease=100, clock=clock)
    first = store.claim("evt_1")
    store.claim("evt_2")
    with pytest.raises(HookwrightError) as refused:
        store.claim("evt_3")
    assert refused.value.code == "dedupe_full"
    assert store.release(first)
    assert store.claim("evt_3").state is NEW
    clock.advance(100)
    assert store.claim("evt_4").state is NEW


@pytest.mark.parametrize("options", [{"ttl": 0}, {"lease": 0}, {"ttl": -1}, {"lease": float("nan")}])
def test_spans_that_make_no_sense_are_refused(tmp_path, options):
    """A lease of nothing would let every delivery in."""
    for make in (MemoryDedupe, lambda **given: SqliteDedupe(tmp_path / "dedupe.db", **given)):
        with pytest.raises(ConfigurationError):
            make(**options)
    with pytest.raises(ConfigurationError):
        MemoryDedupe(max_entries=0)
    with pytest.raises(ConfigurationError):
        SqliteDedupe(":memory:")


def test_a_file_that_cannot_be_opened_stops_the_start(tmp_path):
    """The first delivery would find out."""
    import sqlite3

    with pytest.raises(sqlite3.OperationalError):
        SqliteDedupe(tmp_path / "no such folder" / "dedupe.db")


@pytest.mark.parametrize("store", ["dedupe", "inbox"])
def test_workers_that_start_on_a_new_file_at_the_same_moment_all_start(tmp_path, monkeypatch, store):
    """The timeout does not cover the switch to a write-ahead log, and gunicorn stops when one worker cannot boot."""
    import sqlite3

    from hookwright.inbox import SqliteInbox

    path = tmp_path / "new.db"
    another = sqlite3.connect(path, isolation_level=None)
    another.execute("BEGIN IMMEDIATE")
    pauses = []

    def pause(seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            another.close()

    monkeypatch.setattr("hookwright._sqlite.time.sleep", pause)
    if store == "dedupe":
        opened = SqliteDedupe(path)
        assert opened.claim("evt_1").state is NEW
    else:
        opened = SqliteInbox(path)
        assert opened.put(verified_event("user.created", {}))
    assert len(pauses) == 3, "it did not wait, or not for this"


def test_a_file_that_stays_locked_stops_the_start(tmp_path):
    """It would wait for ever and say nothing."""
    import contextlib
    import sqlite3

    path = tmp_path / "new.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            SqliteDedupe(path, busy_timeout=0)


def test_a_change_of_folder_changes_nothing(tmp_path, monkeypatch):
    """Servers change their folder after the start, and threads would get a file of their own."""
    from hookwright.inbox import SqliteInbox

    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store, inbox = SqliteDedupe("dedupe.db"), SqliteInbox("inbox.db")
    assert store.claim("evt_1").state is NEW
    monkeypatch.chdir("elsewhere")
    states = []
    thread = threading.Thread(target=lambda: states.append(store.claim("evt_1").state))
    thread.start()
    thread.join()
    assert states == [IN_FLIGHT]
    assert inbox.put(verified_event("user.created", {}))
    assert list((tmp_path / "elsewhere").iterdir()) == []


# In the handler's own transaction.


def engines():
    import sqlalchemy as sa

    yield "sqlite", lambda tmp_path: sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")
    yield "postgresql", postgres


def postgres(tmp_path):
    import sqlalchemy as sa

    url = os.environ.get("HOOKWRIGHT_TEST_POSTGRES")
    if not url:
        pytest.skip("no PostgreSQL: run through scripts/with-postgres")
    pytest.importorskip("psycopg")
    return sa.create_engine(url.replace("postgres://", "postgresql+psycopg://", 1))


@pytest.fixture(params=list(engines()), ids=lambda param: param[0])
def database(request, tmp_path):
    import sqlalchemy as sa

    from hookwright.dedupe.sqlalchemy import SqlAlchemyDedupe

    engine = request.param[1](tmp_path)
    metadata = sa.MetaData()
    processed = SqlAlchemyDedupe(metadata)
    effects = sa.Table("effects", metadata, sa.Column("event_id", sa.String(64)))
    metadata.drop_all(engine)
    metadata.create_all(engine)
    yield engine, processed, effects
    metadata.drop_all(engine)
    engine.dispose()


def count(engine, table):
    import sqlalchemy as sa

    with engine.connect() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def test_the_id_and_the_effect_are_one_transaction(database):
    """A crash between the two would repeat the effect, or lose it."""
    from sqlalchemy.orm import Session

    engine, processed, effects = database
    event = verified_event("user.created", {}, event_id="evt_1")

    def handle(*, fails=False):
        with Session(engine) as session, session.begin():
            if not processed.first_time(session, event):
                return False
            session.execute(effects.insert().values(event_id=event.id))
            if fails:
                raise RuntimeError("after the effect and before the commit")
            return True

    with pytest.raises(RuntimeError):
        handle(fails=True)
    assert (count(engine, effects), count(engine, processed.table)) == (0, 0)
    assert handle()
    assert not handle()
    assert (count(engine, effects), count(engine, processed.table)) == (1, 1)


def test_of_many_transactions_one_has_the_effect(database):
    """Deliveries at the same moment would each have it."""
    import sqlalchemy.exc
    from sqlalchemy.orm import Session

    engine, processed, effects = database
    event = verified_event("user.created", {}, event_id="evt_1")
    barrier = threading.Barrier(6)

    def deliver():
        barrier.wait()
        while True:
            try:
                with Session(engine) as session, session.begin():
                    if processed.first_time(session, event):
                        session.execute(effects.insert().values(event_id=event.id))
                return
            except sqlalchemy.exc.OperationalError as error:
                # SQLite has one writer; to the sender this would be a 500 and a retry.
                assert "locked" in str(error)

    threads = [threading.Thread(target=deliver) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert count(engine, effects) == 1


def test_endpoints_have_ids_of_their_own_and_old_ones_are_forgotten(database):
    """Two platforms that count from one would swallow each other's events; the table would grow for ever."""
    from datetime import timedelta

    engine, processed, _ = database
    event = verified_event("user.created", {}, event_id="evt_1")
    with engine.begin() as connection:
        assert processed.first_time(connection, event, endpoint="one")
        assert processed.first_time(connection, event, endpoint="two")
        assert not processed.first_time(connection, event, endpoint="two")
        assert processed.first_time(connection, event, endpoint="two", key="another")
        assert processed.forget(connection, older_than=timedelta(days=3)) == 0
        assert processed.forget(connection, older_than=timedelta(seconds=-10)) == 3


def test_an_event_without_an_id_needs_a_key(database):
    """Every such event would be the same one."""
    from hookwright import InvalidPayloadError, Webhook

    engine, processed, _ = database
    webhook = Webhook("a secret for this test", scheme="github")
    event = webhook.verify(b"{}", webhook.sign(b"{}"))
    with engine.begin() as connection:
        with pytest.raises(InvalidPayloadError, match="key="):
            processed.first_time(connection, event)
        assert processed.first_time(connection, event, key="delivery-1")
