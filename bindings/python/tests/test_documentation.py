"""The guide, held against the package."""

import ast
import pathlib
import re
import sys

import pytest

from hookwright import _endpoint, _errors
from hookwright.testing import WebhookSender

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
GUIDE = REPOSITORY / "docs" / "receiving-python.md"

if not GUIDE.is_file():
    pytest.skip("the guide is in the repository and not in the source distribution", allow_module_level=True)

TEXT = GUIDE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


def test_the_quick_start_is_a_verified_endpoint_in_under_ten_lines(tmp_path, monkeypatch):
    """The first thing that anyone tries would not work."""
    code = BLOCKS[0]
    assert code.startswith("# app.py")
    lines = [line for line in code.splitlines() if line.strip() and not line.startswith("#")]
    assert len(lines) < 10
    (tmp_path / "app.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "app", raising=False)
    import app

    client = app.app.test_client()
    # With the request that the guide sends.
    assert '.event("vault.created")' in BLOCKS[1]
    secret = re.search(r'WebhookSender\("filedgr", "(.*?)"\)', BLOCKS[1])[1]
    sender = WebhookSender("filedgr", secret)
    response = sender.post(client, "/webhooks/filedgr", "vault.created")
    assert (response.status_code, response.data) == (200, b'{"status":"ok"}')
    assert str(response.data) in TEXT
    assert sender.send(client, "/webhooks/filedgr", sender.event("vault.created").tampered()).status_code == 401


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_every_example_is_python(number):
    """Somebody would paste it and get a syntax error."""
    code = BLOCKS[number]
    if not code.startswith(">>>"):
        ast.parse(code)


def test_every_name_that_is_imported_exists():
    """The guide would name what was renamed long ago."""
    imported = 0
    for module, names in re.findall(r"^from (hookwright[.\w]*) import ([\w, ]+)", "\n".join(BLOCKS), re.MULTILINE):
        if module == "hookwright.django":
            # It wants settings first, and other tests have it.
            continue
        for name in names.split(","):
            assert hasattr(__import__(module, fromlist=["_"]), name.strip()), f"{module}.{name}"
            imported += 1
    assert imported > 15


def test_every_error_code_is_explained():
    """Somebody would search the guide for a code of their log and find nothing."""
    table = TEXT[TEXT.index("## Troubleshooting") :]
    codes = {*_errors._Codes.BY_CODE, *_endpoint._STATUS_BY_CODE, "schema_violation", "body_consumed", "configuration"}
    assert {code for code in codes if f"`{code}`" not in table} == set()


def test_every_option_is_listed():
    """Options that nobody knows of are of no use."""
    table = TEXT[TEXT.index("## All options") :]
    options = {*_endpoint.EndpointOptions.__annotations__, "secret"}
    assert {option for option in options if f"`{option}`" not in table} == set()


def test_every_link_inside_the_guide_leads_somewhere():
    """The list at the top would lead nowhere."""
    headings = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", TEXT, re.MULTILINE)
    }
    for link in re.findall(r"\]\(#([^)]*)\)", TEXT):
        assert link in headings, link
    for file in re.findall(r"\]\(([\w-]+\.md)\)", TEXT):
        assert (GUIDE.parent / file).is_file(), file
