"""The real service, with a client made from the proto files, and real servers in front of a real app."""

import importlib.util
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading

import pytest

import hookwright

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parents[3]
BINARY = pathlib.Path(os.environ.get("HOOKWRIGHT_BINARY", REPOSITORY / "target/debug/hookwright"))
DEADLINE_SECONDS = 60

LISTENING = re.compile(r"Listening at: http://127\.0\.0\.1:(\d+) ")


def pytest_collection_modifyitems(items):
    if BINARY.is_file():
        return
    reason = f"{BINARY} is missing: cargo build -p hookwright, or set HOOKWRIGHT_BINARY"
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def harness():
    """The harness of the client's tests, which knows how the service is started and when it is ready."""
    protoc = pytest.importorskip("grpc_tools.protoc", reason="pip install -r tests/requirements.txt")
    root = REPOSITORY / "proto"
    files = sorted(str(path) for path in root.rglob("*.proto"))
    with tempfile.TemporaryDirectory(prefix="hookwright-python-") as generated:
        well_known = pathlib.Path(protoc.__file__).parent / "_proto"
        outputs = [f"--python_out={generated}", f"--grpc_python_out={generated}"]
        assert protoc.main(["protoc", f"--proto_path={root}", f"--proto_path={well_known}", *outputs, *files]) == 0
        # As if the folder had been on the path from the start; the package looks for `hookwright.v1` there.
        sys.path.insert(0, generated)
        hookwright.__path__.append(f"{generated}/hookwright")
        spec = importlib.util.spec_from_file_location("harness", REPOSITORY / "tests/clients/python/harness.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["harness"] = module
        spec.loader.exec_module(module)
        yield module


@pytest.fixture
def service(harness, tmp_path):
    folder = tmp_path / "service"
    folder.mkdir()
    with harness.Service(folder) as service:
        yield service


class Receiver:
    """The app in `receiver.py`, served by a real server in a process of its own."""

    def __init__(self, server, folder):
        self._server = server
        self._settings_file = folder / "settings.json"
        self._settings = {"dedupe": str(folder / "dedupe.db"), "secrets": {}, "validate": {}}
        self._lines = queue.Queue()
        self._log = []
        self._process = None
        self._reloads = 0
        self._reloaded = threading.Semaphore(0)

    def start(self, secrets, *, validate=None, workers=2):
        self._settings["secrets"] = secrets
        self._settings["validate"] = validate or {}
        self._settings_file.write_text(json.dumps(self._settings))
        commands = {
            "werkzeug": [sys.executable, str(HERE / "receiver.py")],
            "gunicorn": [
                *(sys.executable, "-m", "gunicorn", "--bind=127.0.0.1:0", f"--workers={workers}", "--threads=4"),
                *(f"--chdir={HERE}", "--graceful-timeout=30", "--worker-tmp-dir=/dev/shm", "receiver:create_app()"),
            ],
        }
        environment = {**os.environ, "RECEIVER_SETTINGS": str(self._settings_file), "PYTHONDONTWRITEBYTECODE": "1"}
        # gunicorn keeps a control socket below it.
        environment["HOME"] = str(self._settings_file.parent)
        self._process = subprocess.Popen(
            commands[self._server], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        port = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(port,), daemon=True)
        self._reader.start()
        self.port = port.get(timeout=DEADLINE_SECONDS)
        assert self.port, f"the receiver did not start:\n{''.join(self._log)}"

    def _read(self, port):
        for line in self._process.stdout:
            if line.startswith("{"):
                self._lines.put(json.loads(line))
                continue
            self._log.append(line)
            if found := LISTENING.search(line):
                port.put(int(found[1]))
            if "Booting worker" in line:
                self._reloaded.release()
        port.put(None)
        self._lines.put(None)

    def url(self, name):
        return f"http://127.0.0.1:{self.port}/webhooks/{name}"

    def next(self):
        """What was handled next, waited for."""
        try:
            line = self._lines.get(timeout=DEADLINE_SECONDS)
        except queue.Empty:
            raise AssertionError(f"nothing handled within {DEADLINE_SECONDS} s:\n{''.join(self._log)}") from None
        assert line is not None, f"the receiver has ended:\n{''.join(self._log)}"
        return line

    def nothing_more(self):
        """Whether every line has been taken. Ask after the answer to a request has come: lines precede answers."""
        return self._lines.empty()

    def rotate(self, secrets, *, workers=2):
        """New settings, and gunicorn's own way of taking them up while requests come in."""
        while self._reloaded.acquire(blocking=False):
            pass
        self._settings["secrets"] = secrets
        self._settings_file.write_text(json.dumps(self._settings))
        self._process.send_signal(signal.SIGHUP)
        for _ in range(workers):
            assert self._reloaded.acquire(timeout=DEADLINE_SECONDS), "".join(self._log)

    def stop(self):
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(DEADLINE_SECONDS)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()
            print(f"--- the receiver's log ---\n{''.join(self._log)}")


@pytest.fixture(params=["werkzeug", "gunicorn"])
def receiver(request, tmp_path):
    receiver = Receiver(request.param, tmp_path)
    yield receiver
    receiver.stop()


@pytest.fixture
def gunicorn(tmp_path):
    receiver = Receiver("gunicorn", tmp_path)
    yield receiver
    receiver.stop()
