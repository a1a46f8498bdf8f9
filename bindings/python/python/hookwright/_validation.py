"""Payloads against the JSON Schemas of a profile: ``pip install hookwright[validation]``."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

from hookwright._errors import ConfigurationError, SchemaError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hookwright._native import Profile, VerifiedWebhook

__all__ = ["Schemas"]

#: More than this many complaints about one payload help nobody.
_MAX_DETAILS = 10


class Schemas:
    """The schemas of the event types, compiled once."""

    def __init__(self, profile: Profile | None, own: Mapping[str, object] | None = None) -> None:
        try:
            jsonschema: Any = importlib.import_module("jsonschema")
        except ImportError:
            message = "validating payloads needs the extra: pip install 'hookwright[validation]'"
            raise ConfigurationError(message) from None
        schemas: dict[str, object] = {}
        for event_type in profile.event_types if profile is not None else ():
            if event_type.schema is not None:
                schemas[event_type.name] = json.loads(event_type.schema)
        schemas.update(own or {})
        if not schemas:
            message = "there is nothing to validate against: this profile has no schemas, and none were passed"
            raise ConfigurationError(message)
        kind: Any = jsonschema.Draft202012Validator
        self._validators: dict[str, Any] = {}
        for name, schema in schemas.items():
            try:
                kind.check_schema(schema)
            except jsonschema.SchemaError as error:
                message = f"the schema of {name} is not a JSON Schema: {error.message}"
                raise ConfigurationError(message) from None
            self._validators[name] = kind(schema)

    def check(self, event: VerifiedWebhook[Any]) -> None:
        """Raise :class:`SchemaError` if the event's data is not what its type promises.

        A type without a schema passes: platforms add event types, and a receiver must not break on that day.
        """
        validator = self._validators.get(event.type or "")
        if validator is None:
            return
        data: object = event.data
        details: list[tuple[str, str]] = []
        for error in validator.iter_errors(data):
            details.append((_path(error.absolute_path), error.message))
            if len(details) == _MAX_DETAILS:
                break
        if details:
            message = f"the data of {event.type} does not follow its schema, first at {details[0][0]}"
            raise SchemaError(message, details=details)


def _path(parts: Any) -> str:  # noqa: ANN401 - a deque of str and int
    return "data" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
