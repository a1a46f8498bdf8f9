"""The fixtures that pytest finds by itself once the package is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from hookwright.testing import WebhookSender

__all__ = ["webhook_sender"]


@pytest.fixture
def webhook_sender() -> Callable[..., WebhookSender]:
    """Make senders: ``webhook_sender("filedgr", secret)``, then ``.post(client, path, "vault.created")``."""
    # Imported here, so that test runs that do not use it do not load it.
    from hookwright.testing import WebhookSender

    def make(dialect: Any, *args: Any, **options: Any) -> WebhookSender:  # noqa: ANN401
        return WebhookSender(dialect, *args, **options)

    return make
