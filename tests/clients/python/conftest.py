"""Generates the client from `proto/` and gives every test its own service and its own receiver.

Nothing here knows hookwright's code: the tests stand where a customer stands who has the proto files and the binary.
"""

import pathlib
import sys
import tempfile

import pytest
from grpc_tools import protoc
from importlib import resources

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]

_generated = tempfile.TemporaryDirectory(prefix="hookwright-python-")


def pytest_configure(config):
    root = REPOSITORY / "proto"
    files = sorted(str(path) for path in root.rglob("*.proto"))
    assert files, f"no proto files below {root}"
    arguments = [
        "protoc",
        f"--proto_path={root}",
        f"--proto_path={resources.files('grpc_tools') / '_proto'}",
        f"--python_out={_generated.name}",
        f"--grpc_python_out={_generated.name}",
        *files,
    ]
    if protoc.main(arguments) != 0:
        raise pytest.UsageError("the proto files do not compile; protoc's message is above")
    sys.path.insert(0, _generated.name)


def pytest_unconfigure(config):
    _generated.cleanup()


@pytest.fixture
def service(tmp_path):
    from harness import Service

    with Service(tmp_path) as service:
        yield service


@pytest.fixture
def service_with_keys(tmp_path):
    from harness import Service

    with Service(tmp_path, wants_keys=True) as service:
        yield service


@pytest.fixture
def receiver():
    from harness import Receiver

    with Receiver() as receiver:
        yield receiver
