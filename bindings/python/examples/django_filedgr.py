"""Filedgr in Django, in one file: `python django_filedgr.py runserver`."""

import os
import sys

from django.conf import settings
from django.core.management import execute_from_command_line
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"],
    INSTALLED_APPS=["hookwright.django.HookwrightConfig"],
    HOOKWRIGHT_ENDPOINTS={"filedgr": {"secret": os.environ.get("FILEDGR_WEBHOOK_SECRET")}},
)

from hookwright import VerifiedWebhook  # noqa: E402 - Django wants its settings first
from hookwright.django import WebhookView  # noqa: E402 - likewise

filedgr = WebhookView("filedgr")


@filedgr.on("vault.*")
def vault(event: VerifiedWebhook) -> None:
    """Something happened to a vault."""
    sys.stderr.write(f"{event.type}: {event.id}\n")


urlpatterns = [path("webhooks/filedgr", filedgr)]

if __name__ == "__main__":
    execute_from_command_line(sys.argv)
