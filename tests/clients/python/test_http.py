"""HTTP/JSON as somebody sees it who has nothing but the served OpenAPI document."""

import json
import os
import pathlib
import subprocess
import sys
import urllib.request

from harness import DEADLINE_SECONDS
from openapi_spec_validator import OpenAPIV31SpecValidator

# Each run asks the same questions, so that a build that passes goes on passing.
SEED = "1"
# Enough to find what is wrong in general, and few enough for every run of the tests.
EXAMPLES = "12"


def read(service, path):
    with urllib.request.urlopen(f"http://{service.address}{path}", timeout=DEADLINE_SECONDS) as answer:
        return json.load(answer)


def test_the_document_is_openapi(service):
    # Generators of clients would refuse it, or make something else of it.
    errors = [error.message for error in OpenAPIV31SpecValidator(read(service, "/openapi.json")).iter_errors()]
    assert errors == []


def test_the_service_keeps_to_its_document(service, tmp_path):
    # A client that is generated from the document would meet answers that it does not know.
    found = subprocess.run(
        [
            pathlib.Path(sys.executable).parent / "schemathesis",
            "run",
            f"http://{service.address}/openapi.json",
            f"--max-examples={EXAMPLES}",
            f"--seed={SEED}",
            "--generation-deterministic",
            "--phases=examples,coverage,fuzzing",
            "--checks=all",
            # A schema cannot say what a filter, an id or a public address is, so some of what fits it is refused.
            "--exclude-checks=positive_data_acceptance",
            "--no-color",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(pathlib.Path(__file__).parent), "SCHEMATHESIS_HOOKS": "patience"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stdout + found.stderr
