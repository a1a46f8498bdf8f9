"""The data of Generic (X-Webhook-Signature)'s events.

Written by ``python -m hookwright.typegen generic``; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    # In `typing` from Python 3.11 on; type checkers have it for all.
    from typing_extensions import NotRequired

__all__ = [
    "EventName",
    "FileUploaded",
    "PaymentFailed",
    "PaymentSucceeded",
    "ProjectCreated",
    "ProjectDeleted",
    "ProjectUpdated",
    "UserCreated",
    "UserDeleted",
    "UserUpdated",
]

EventName = Literal[
    "user.created",
    "user.updated",
    "user.deleted",
    "project.created",
    "project.updated",
    "project.deleted",
    "file.uploaded",
    "payment.succeeded",
    "payment.failed",
]
"""The names of all event types."""


class UserCreated(TypedDict):
    """``user.created``: New user registered"""

    id: str
    name: str
    email: NotRequired[str]
    status: NotRequired[str]


class UserUpdated(TypedDict):
    """``user.updated``: User profile updated"""

    id: str
    name: NotRequired[str]
    email: NotRequired[str]
    status: NotRequired[str]


class UserDeleted(TypedDict):
    """``user.deleted``: User account deleted"""

    id: str
    name: NotRequired[str]
    email: NotRequired[str]
    status: NotRequired[str]


class ProjectCreated(TypedDict):
    """``project.created``: New project created"""

    id: str
    name: NotRequired[str]
    owner_id: NotRequired[str]
    status: NotRequired[str]


class ProjectUpdated(TypedDict):
    """``project.updated``: Project modified"""

    id: str
    name: NotRequired[str]
    owner_id: NotRequired[str]
    status: NotRequired[str]


class ProjectDeleted(TypedDict):
    """``project.deleted``: Project deleted"""

    id: str
    name: NotRequired[str]
    owner_id: NotRequired[str]
    status: NotRequired[str]


class FileUploaded(TypedDict):
    """``file.uploaded``: File uploaded"""

    id: str
    name: str
    size: NotRequired[int]
    content_type: NotRequired[str]
    project_id: NotRequired[str]
    uploaded_by: NotRequired[str]


class PaymentSucceeded(TypedDict):
    """``payment.succeeded``: Payment processed successfully"""

    id: str
    user_id: NotRequired[str]
    amount: int
    currency: str
    status: NotRequired[str]


class PaymentFailed(TypedDict):
    """``payment.failed``: Payment failed"""

    id: str
    user_id: NotRequired[str]
    amount: int
    currency: str
    status: NotRequired[str]
    failure_code: NotRequired[str]
    failure_message: NotRequired[str]
