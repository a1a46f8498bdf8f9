"""The real service as a child process, a real HTTP receiver, and waiting with a deadline."""

import http.server
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import threading
import time
from dataclasses import dataclass

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hookwright.v1 import webhook_service_pb2_grpc

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]

# Generous, because it only delays failures: a loaded machine with two cores must not fail a good build.
DEADLINE_SECONDS = 30

LISTENING = re.compile(r"listening on https?://127\.0\.0\.1:(\d+)\n")


def eventually(question, what):
    """The first true answer of `question`, which is asked again until the deadline.

    For facts that the service has no call to wait for. Whatever announces itself is waited for directly.
    """
    deadline = time.monotonic() + DEADLINE_SECONDS
    never = threading.Event()
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {DEADLINE_SECONDS} s: {what}; the last answer was {answer!r}")
        # Room for the service to do what is asked about.
        never.wait(0.01)


class Service:
    """`hookwright serve` on an empty SQLite database and a free port, with more arguments if given.

    `credentials` are those of the channel, where there is TLS. `key` is one to call it with, if it wants keys.
    """

    def __init__(self, folder, arguments=(), credentials=None, wants_keys=False):
        self._arguments = arguments
        self._credentials = credentials
        self._wants_keys = wants_keys
        self.key = None
        self._binary = pathlib.Path(os.environ.get("HOOKWRIGHT_BINARY", REPOSITORY / "target/debug/hookwright"))
        self._folder = folder

    def __enter__(self):
        assert self._binary.is_file(), f"{self._binary} is missing: `cargo build -p hookwright`, or set HOOKWRIGHT_BINARY"
        # Settings of whoever runs the tests must not change what is tested.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("HOOKWRIGHT_")}
        if self._wants_keys:
            self.key = self._first_key(environment)
        self._log = open(self._folder / "stderr.log", "w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            [
                self._binary,
                "serve",
                "--listen=127.0.0.1:0",
                "--allow-http",
                "--allow-private-targets",
                f"--store=sqlite:{self._folder / 'hookwright.db'}",
                *self._arguments,
                *(["--auth=keys"] if self._wants_keys else []),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
            cwd=self._folder,
        )
        self._first_line = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.address = f"127.0.0.1:{self._port()}"
            self.channel = self.connect(self._credentials)
            self.stub = webhook_service_pb2_grpc.WebhookServiceStub(self.channel)
        except BaseException:
            self._end(signal.SIGKILL)
            raise
        return self

    def connect(self, credentials=None):
        # A proxy from the environment has no business between a test and its own machine.
        options = [("grpc.enable_http_proxy", 0)]
        if credentials:
            return grpc.secure_channel(self.address, credentials, options)
        return grpc.insecure_channel(self.address, options)

    def __exit__(self, *_):
        self.channel.close()
        status = self._end(signal.SIGTERM)
        # Shown when the test fails.
        print(f"--- the service's log ---\n{self._text}")
        assert status == 0, f"after SIGTERM the service ended with {status}, not 0"

    def _first_key(self, environment):
        made = subprocess.run(
            [self._binary, "keys", "create", "tests", "--scope=admin", "--scope=operator", "--data=hookwright.db", "--json"],
            stdout=subprocess.PIPE,
            check=True,
            timeout=DEADLINE_SECONDS,
            env=environment,
            cwd=self._folder,
        )
        return json.loads(made.stdout)["text"]

    def _read(self):
        # To the end, so that a full pipe never stops the service.
        for number, line in enumerate(self._process.stdout):
            if number == 0:
                self._first_line.put(line)
        self._first_line.put("")

    def _port(self):
        try:
            line = self._first_line.get(timeout=DEADLINE_SECONDS)
        except queue.Empty:
            line = "(nothing)"
        found = LISTENING.fullmatch(line)
        if not found:
            self._end(signal.SIGKILL)
            raise AssertionError(f"the first line on stdout is {line!r}; the log on stderr:\n{self._text}")
        return int(found[1])

    def _end(self, how):
        self._process.send_signal(how)
        try:
            status = self._process.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = f"a kill, {DEADLINE_SECONDS} s after {how.name}"
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        if not self._log.closed:
            self._log.seek(0)
            self._text = self._log.read()
            self._log.close()
        return status

    def call(self, method, request, key=None):
        """One unary call that cannot outlast the deadline."""
        metadata = [("authorization", f"Bearer {key}")] if key else None
        return getattr(self.stub, method)(request, timeout=DEADLINE_SECONDS, metadata=metadata)


@dataclass
class Received:
    """One request, as its bytes came in."""

    path: str
    # Pairs, because a header may come twice.
    headers: list
    body: bytes

    def header(self, name):
        """The value of a header that came exactly once."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) == 1, f"{name} came {len(values)} times in {self.headers}"
        return values[0]


class Receiver:
    """An HTTP server that keeps what it gets and answers 204, or first what `answers` says."""

    def __init__(self):
        self.requests = queue.Queue()
        self.answers = queue.Queue()

    def __enter__(self):
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            # A connection that the service leaves open must not keep its thread for ever.
            timeout = DEADLINE_SECONDS

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                try:
                    status, answer = receiver.answers.get_nowait()
                except queue.Empty:
                    status, answer = 204, b""
                receiver.requests.put(Received(self.path, self.headers.items(), body))
                self.send_response(status)
                if status != 204:
                    self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        # Leaving the test must not wait for connections that the service keeps for the next delivery.
        self._server.block_on_close = False
        self.url = f"http://127.0.0.1:{self._server.server_port}/hooks"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def next(self):
        """The next request, waited for."""
        try:
            return self.requests.get(timeout=DEADLINE_SECONDS)
        except queue.Empty:
            raise AssertionError(f"nothing received within {DEADLINE_SECONDS} s") from None


def details(error, kind):
    """The details of a type that a gRPC error carries in its `grpc-status-details-bin` trailer."""
    status = rpc_status.from_call(error)
    assert status is not None, f"{error.code()} came without google.rpc details: {error.details()}"
    found = []
    for packed in status.details:
        detail = kind()
        if packed.Unpack(detail):
            found.append(detail)
    return found


def error_info(error):
    """The one `google.rpc.ErrorInfo` of an error."""
    infos = details(error, error_details_pb2.ErrorInfo)
    assert len(infos) == 1, f"{len(infos)} ErrorInfo in {error.details()}"
    return infos[0]


def violated_fields(error):
    """The fields that a `google.rpc.BadRequest` names."""
    return [
        violation.field
        for bad_request in details(error, error_details_pb2.BadRequest)
        for violation in bad_request.field_violations
    ]
