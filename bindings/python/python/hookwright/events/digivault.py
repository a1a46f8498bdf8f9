"""The data of DigiVault's events.

Written by ``python -m hookwright.typegen digivault``; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypedDict

if TYPE_CHECKING:
    # In `typing` from Python 3.11 on; type checkers have it for all.
    from typing_extensions import NotRequired

__all__ = [
    "ContactCreated",
    "ContactDeleted",
    "ContactUpdated",
    "ConversationArchived",
    "ConversationCreated",
    "ConversationDeleted",
    "ConversationMessageCreated",
    "ConversationMessageDeleted",
    "ConversationMessageRead",
    "ConversationMessageUpdated",
    "ConversationUpdated",
    "EventName",
    "GroupCreated",
    "GroupDeleted",
    "GroupMemberAdded",
    "GroupMemberRemoved",
    "GroupUpdated",
]

EventName = Literal[
    "conversation.created",
    "conversation.updated",
    "conversation.archived",
    "conversation.deleted",
    "conversation.message.created",
    "conversation.message.updated",
    "conversation.message.deleted",
    "conversation.message.read",
    "contact.created",
    "contact.updated",
    "contact.deleted",
    "group.created",
    "group.updated",
    "group.member_added",
    "group.member_removed",
    "group.deleted",
]
"""The names of all event types."""


class Contact(TypedDict):
    id: str
    username: NotRequired[str]
    name: NotRequired[str]
    avatar_url: NotRequired[str]


class ConversationCreated(TypedDict):
    """``conversation.created``: A new conversation was created"""

    id: str
    contact: NotRequired[Contact]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]


class ConversationUpdated(TypedDict):
    """``conversation.updated``: A conversation was updated"""

    id: str
    contact: NotRequired[Contact]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]


class ConversationArchived(TypedDict):
    """``conversation.archived``: A conversation was archived"""

    id: str
    contact: NotRequired[Contact]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]
    archived_at: NotRequired[int]


class ConversationDeleted(TypedDict):
    """``conversation.deleted``: A conversation was deleted"""

    id: str
    contact: NotRequired[Contact]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]
    deleted_at: NotRequired[int]


class ConversationMessageCreated(TypedDict):
    """``conversation.message.created``: A new message was sent in a conversation"""

    id: str
    conversation_id: str
    contact: NotRequired[Contact]
    message: str
    created_at: int


class ConversationMessageUpdated(TypedDict):
    """``conversation.message.updated``: A message was edited"""

    id: str
    conversation_id: str
    contact: NotRequired[Contact]
    message: str
    created_at: NotRequired[int]
    updated_at: NotRequired[int]


class ConversationMessageDeleted(TypedDict):
    """``conversation.message.deleted``: A message was deleted"""

    id: str
    conversation_id: str
    contact: NotRequired[Contact]
    message: NotRequired[str]
    created_at: NotRequired[int]
    deleted_at: NotRequired[int]


class ConversationMessageRead(TypedDict):
    """``conversation.message.read``: A message was read"""

    id: str
    conversation_id: str
    contact: NotRequired[Contact]
    message: NotRequired[str]
    created_at: NotRequired[int]
    read_at: NotRequired[int]


class ContactCreated(TypedDict):
    """``contact.created``: A new contact was created"""

    id: str
    username: NotRequired[str]
    name: NotRequired[str]
    avatar_url: NotRequired[str]
    created_at: NotRequired[int]


class ContactUpdated(TypedDict):
    """``contact.updated``: A contact was updated"""

    id: str
    username: NotRequired[str]
    name: NotRequired[str]
    avatar_url: NotRequired[str]
    updated_at: NotRequired[int]


class ContactDeleted(TypedDict):
    """``contact.deleted``: A contact was deleted"""

    id: str
    username: NotRequired[str]
    name: NotRequired[str]
    avatar_url: NotRequired[str]
    deleted_at: NotRequired[int]


class GroupCreated(TypedDict):
    """``group.created``: A new group was created"""

    id: str
    name: NotRequired[str]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]


class GroupUpdated(TypedDict):
    """``group.updated``: A group was updated"""

    id: str
    name: NotRequired[str]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]


class GroupMemberAdded(TypedDict):
    """``group.member_added``: A member was added to a group"""

    id: str
    name: NotRequired[str]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]
    member: Contact
    added_at: NotRequired[int]


class GroupMemberRemoved(TypedDict):
    """``group.member_removed``: A member was removed from a group"""

    id: str
    name: NotRequired[str]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]
    member: Contact
    removed_at: NotRequired[int]


class GroupDeleted(TypedDict):
    """``group.deleted``: A group was deleted"""

    id: str
    name: NotRequired[str]
    created_at: NotRequired[int]
    updated_at: NotRequired[int]
    deleted_at: NotRequired[int]
