"""JSON as RFC 8259 has it, and not as lenient parsers do."""

from __future__ import annotations

import json
from typing import NoReturn

from hookwright._errors import InvalidPayloadError

__all__ = ["loads"]


def _constant(name: str) -> NoReturn:
    message = f"{name} is not JSON"
    raise ValueError(message)


_decode = json.JSONDecoder(parse_constant=_constant).decode


def loads(text: bytes | str) -> object:
    """Parse a JSON text that was verified before.

    Bytes must be UTF-8: guessing the encoding, as :func:`json.loads` does, would make two readers see two texts.
    """
    try:
        return _decode(text if isinstance(text, str) else str(text, "utf-8"))
    except (ValueError, RecursionError) as error:
        # The place and never the content: payloads are other people's data.
        place = f" at line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        message = f"the body is not JSON{place}"
        raise InvalidPayloadError(message, code="invalid_payload") from None
