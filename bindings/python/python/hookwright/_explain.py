"""What is the matter with a request that does not verify."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hookwright._native import explain_request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from hookwright._native import Profile, Scheme

__all__ = ["Explanation", "Finding", "explain"]


@dataclass(frozen=True)
class Finding:
    """Something that would have matched."""

    #: In what ways what was given differs from what was signed, such as ``body_reserialized_compact``.
    causes: tuple[str, ...]
    #: Which of the secrets it was.
    secret_index: int
    #: What it means and what to do.
    message: str


@dataclass(frozen=True)
class Explanation:
    """Why a request was refused. ``str()`` of it is for a terminal; never send it to the peer."""

    #: The code of the error; None when the request is valid.
    code: str | None
    #: The message of the error.
    message: str | None
    #: What would match, the simplest first.
    findings: tuple[Finding, ...]
    #: Sizes and shapes: nothing of the content.
    facts: Mapping[str, Any]
    text: str

    def __str__(self) -> str:
        return self.text


def explain(
    body: bytes | bytearray | memoryview,
    headers: Any,  # noqa: ANN401 - what `verify` takes
    secret: str | Sequence[str],
    *,
    scheme: str | Scheme | None = None,
    profile: str | Profile | None = None,
    now: float | None = None,
    method: str = "POST",
    url: str = "",
) -> Explanation:
    """Find out which small change would have made a request valid: for development.

    It tries what goes wrong in practice: a body that was parsed and written again, a secret with a line break, another
    encoding, another header, another scheme. It says nothing that would make anyone able to sign, and yet more than a
    peer may know, so show it to the developer who has the secret.
    """
    if scheme is None and profile is None:
        scheme = "standard-webhooks"
    secrets = [secret] if isinstance(secret, str) else list(secret)
    found, text = explain_request(
        body, headers, secrets, scheme=scheme, profile=profile, now=now, method=method, url=url
    )
    document: dict[str, Any] = json.loads(found)
    failure: dict[str, str] = document["failure"] or {}
    findings = tuple(
        Finding(tuple(finding["causes"]), finding["secret_index"], finding["message"])
        for finding in document["findings"]
    )
    return Explanation(failure.get("code"), failure.get("message"), findings, document["facts"], text)
