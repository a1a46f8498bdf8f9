"""The helpers for other people's tests, and the types for their handlers."""

import inspect
import json
import pathlib
import subprocess
import sys
import types
import typing

import pytest
import typing_extensions
from flask import Flask

from hookwright import ConfigurationError, Profile, Webhook
from hookwright import events as events_package
from hookwright.flask import Hookwright
from hookwright.testing import SAMPLE_SECRET, WebhookSender, verified_event
from hookwright.typegen import generate, main

BUILT_IN = [name for name in Profile.builtin_names() if Profile.builtin(name).event_types]


def test_the_fixture_is_there_without_an_import(webhook_sender):
    """Every project would write it again."""
    app = Flask(__name__)
    hooks = Hookwright(app)
    blueprint = hooks.blueprint("filedgr", SAMPLE_SECRET)
    blueprint.on("*")(lambda event: {"type": event.type})
    app.register_blueprint(blueprint)
    response = webhook_sender("filedgr").post(app.test_client(), "/webhooks/filedgr", "vault.created")
    assert response.json == {"type": "vault.created"}


def test_without_data_an_event_has_that_of_the_documentation():
    """Tests would invent data that the platform never sends."""
    event = verified_event("vault.created", profile="filedgr")
    assert event.data == json.loads(Profile.builtin("filedgr").event_types[0].sample)
    with pytest.raises(ConfigurationError, match="data="):
        verified_event("vault.exploded", profile="filedgr")


def test_time_is_that_of_the_test(clock):
    """Tests about old messages would have to wait."""
    sender = WebhookSender("filedgr", clock=clock)
    signed = sender.event("vault.created", {})
    webhook = Webhook(SAMPLE_SECRET, profile="filedgr")
    event = webhook.verify(signed.body, signed.headers, now=clock())
    assert (event.timestamp, event.occurred_at_ms) == (int(clock()), int(clock()) * 1000)


def test_a_scheme_alone_signs_any_body():
    """Platforms without a profile could not be played."""
    sender = WebhookSender("github")
    signed = sender.body(b"{}")
    assert Webhook(SAMPLE_SECRET, scheme="github").verify(signed.body, signed.headers)
    with pytest.raises(ConfigurationError, match="envelope"):
        sender.event("push", {})
    with pytest.raises(ConfigurationError, match="no such"):
        WebhookSender("no such")


def module_path(name):
    return pathlib.Path(events_package.__file__).parent / f"{name.replace('-', '_')}.py"


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_types_are_those_of_the_catalogue(name):
    """Type checkers would promise fields that the platform does not send. Write them again with typegen."""
    assert main([name, "--check", str(module_path(name))]) == 0


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_sample_has_the_fields_of_its_type(name, monkeypatch):
    """The generator would have misread the schema."""
    module = types.ModuleType(f"events_of_{name}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    namespace = vars(module)
    # With the names that are for type checkers alone.
    source = module_path(name).read_text().replace("if TYPE_CHECKING:", "if True:")
    exec(compile(source, name, "exec"), namespace)
    for event_type in Profile.builtin(name).event_types:
        class_name = "".join(part[:1].upper() + part[1:] for part in event_type.name.replace("_", ".").split("."))
        kind = namespace.get(class_name) or namespace[f"{class_name}Data"]
        check(json.loads(event_type.sample), kind, namespace, event_type.name)


def check(value, kind, namespace, where):
    if inspect.isclass(kind) and typing.is_typeddict(kind):
        hints = typing_extensions.get_type_hints(kind, include_extras=True)
        assert set(value) <= set(hints), f"{where}: {set(value) - set(hints)} is not in the type"
        for key, hint in hints.items():
            inner = typing.get_args(hint)[0] if "NotRequired" in str(hint)[:40] else hint
            if key in value:
                check(value[key], inner, namespace, f"{where}.{key}")
            else:
                assert inner is not hint, f"{where}.{key} is required and not in the sample"
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is typing.Any:
        return
    if origin is typing.Literal:
        assert value in arguments, where
    elif origin is list:
        for number, item in enumerate(value):
            check(item, arguments[0], namespace, f"{where}[{number}]")
    elif origin is dict:
        assert isinstance(value, dict), where
    elif origin is not None:
        assert any(isinstance(value, each) for each in arguments), where
    else:
        assert isinstance(value, (int, float) if kind is float else kind), where


ACME = """
name = "acme"
title = "Acme"
scheme = "x-webhook-signature"
event_id_prefix = "evt"
timeout = "10s"
schedule = { delays = ["30s"] }
envelope = [{ name = "id", value = "id" }, { name = "type", value = "type" }, { name = "data", value = "data" }]

[[event]]
name = "order.shipped"
description = "An order is on its way."
sample = '{"id":"1","state":"sent","from":"x","items":[{"sku":"a","count":1}],"tree":{"value":1,"children":[]}}'
schema = '''{
  "type": "object",
  "required": ["id", "from", "state"],
  "properties": {
    "id": {"type": "string"},
    "from": {"type": ["string", "null"]},
    "state": {"enum": ["sent", "lost", null]},
    "price": {"type": "number"},
    "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    "items": {"type": "array", "items": {
      "type": "object", "properties": {"sku": {"type": "string"}, "count": {"type": "integer"}}}},
    "either": {"oneOf": [{"type": "string"}, {"type": "boolean"}]},
    "tree": {"$ref": "#/$defs/node"},
    "anything": {}
  },
  "$defs": {"node": {"type": "object", "required": ["value"], "properties": {
    "value": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}
}'''

[[event]]
name = "order.lost"
"""


def test_types_are_written_for_profiles_of_ones_own(tmp_path, capsys):
    """Only the built-in platforms would have types."""
    source = generate(Profile.from_toml(ACME))
    for line in (
        '"from": "str | None",',
        '"state": "Literal[\\"sent\\", \\"lost\\", None]",',
        '"price": "NotRequired[float]",',
        '"labels": "NotRequired[dict[str, str]]",',
        '"items": "NotRequired[list[OrderShippedItem]]",',
        '"either": "NotRequired[str | bool]",',
        '"tree": "NotRequired[Node]",',
        '"anything": "NotRequired[Any]",',
        "    children: NotRequired[list[Node]]",
        "OrderLost = Any",
        '    "order.shipped",',
    ):
        assert line in source, source
    file, target = tmp_path / "acme.toml", tmp_path / "acme_events.py"
    file.write_text(ACME)
    assert main([str(file), "-o", str(target)]) == 0
    assert target.read_text() == source
    assert main([str(file), "--check", str(target)]) == 0
    target.write_text(source + "# edited\n")
    assert main([str(file), "--check", str(target)]) == 1
    assert main([str(tmp_path / "nowhere.toml")]) == 2
    assert "out of date" in capsys.readouterr().err
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import acme_events; print(acme_events.OrderShipped)"
    target.write_text(source)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "OrderShipped" in done.stdout
    done = subprocess.run(
        [sys.executable, "-m", "hookwright.typegen", "filedgr"], capture_output=True, text=True, check=True
    )
    assert done.stdout == module_path("filedgr").read_text()
