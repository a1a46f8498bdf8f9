"""The data of Filedgr's events.

Written by ``python -m hookwright.typegen filedgr``; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    # In `typing` from Python 3.11 on; type checkers have it for all.
    from typing_extensions import NotRequired

__all__ = [
    "EventName",
    "StreamAlertTriggered",
    "StreamDataReceived",
    "VaultAccessed",
    "VaultCreated",
    "VaultDataUpdated",
    "VaultPermissionChanged",
    "VaultVerificationComplete",
]

EventName = Literal[
    "vault.created",
    "vault.data_updated",
    "vault.permission_changed",
    "vault.verification_complete",
    "stream.data_received",
    "stream.alert_triggered",
    "vault.accessed",
]
"""The names of all event types."""


class VaultCreated(TypedDict):
    """``vault.created``: Triggered when a new vault is created."""

    vaultId: str
    name: str
    templateId: str
    owner: str
    createdAt: str


class VaultDataUpdated(TypedDict):
    """``vault.data_updated``: Triggered when data is added to or modified in a vault."""

    vaultId: str
    updateType: str
    fileId: NotRequired[str]
    fileName: NotRequired[str]
    fileSize: NotRequired[int]
    uploadedBy: NotRequired[str]
    metadata: NotRequired[dict[str, Any]]


class VaultPermissionChanged(TypedDict):
    """``vault.permission_changed``: Triggered when vault permissions are modified."""

    vaultId: str
    userId: str
    permission: str
    previousPermission: str
    changedBy: str
    expiresAt: NotRequired[str]


class VaultVerificationComplete(TypedDict):
    """``vault.verification_complete``: Triggered when blockchain verification completes."""

    vaultId: str
    fileId: str
    verificationStatus: str
    blockchainTx: NotRequired[str]
    network: NotRequired[str]
    gasUsed: NotRequired[int]
    proofHash: NotRequired[str]


class StreamDataReceived(TypedDict):
    """``stream.data_received``: Triggered when new data arrives in a stream."""

    streamId: str
    vaultId: str
    dataPoints: int
    latestData: dict[str, Any]
    source: NotRequired[str]


class StreamAlertTriggered(TypedDict):
    """``stream.alert_triggered``: Triggered when stream data exceeds defined thresholds."""

    streamId: str
    vaultId: str
    alertRule: str
    severity: str
    triggerValue: float
    threshold: float
    message: str


class VaultAccessed(TypedDict):
    """``vault.accessed``: Triggered when someone accesses vault data."""

    vaultId: str
    userId: str
    accessType: str
    resource: str
    ipAddress: NotRequired[str]
    userAgent: NotRequired[str]
