"""The data of AetherFlow's events.

Written by ``python -m hookwright.typegen aetherflow``; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    # In `typing` from Python 3.11 on; type checkers have it for all.
    from typing_extensions import NotRequired

__all__ = [
    "BillingUpdated",
    "EventName",
    "IntegrationConnected",
    "IntegrationDisconnected",
    "IntegrationError",
    "UserInvited",
    "UserJoined",
    "WorkflowCompleted",
    "WorkflowCreated",
    "WorkflowDeleted",
    "WorkflowExecuted",
    "WorkflowFailed",
    "WorkflowUpdated",
]

EventName = Literal[
    "workflow.created",
    "workflow.updated",
    "workflow.deleted",
    "workflow.executed",
    "workflow.completed",
    "workflow.failed",
    "integration.connected",
    "integration.disconnected",
    "integration.error",
    "user.invited",
    "user.joined",
    "billing.updated",
]
"""The names of all event types."""


class Workflow(TypedDict):
    id: str
    name: str
    status: NotRequired[str]
    created_at: NotRequired[str]
    created_by: NotRequired[str]


class WorkflowCreated(TypedDict):
    """``workflow.created``: Fired when a new workflow is created"""

    workflow: Workflow


class WorkflowUpdatedWorkflow(TypedDict):
    id: str
    name: str
    status: NotRequired[str]
    created_at: NotRequired[str]
    created_by: NotRequired[str]
    updated_at: NotRequired[str]


class WorkflowUpdated(TypedDict):
    """``workflow.updated``: Fired when workflow configuration changes"""

    workflow: WorkflowUpdatedWorkflow
    changes: NotRequired[list[str]]


class WorkflowDeletedWorkflow(TypedDict):
    id: str
    name: str
    status: NotRequired[str]
    created_at: NotRequired[str]
    created_by: NotRequired[str]
    deleted_at: NotRequired[str]


class WorkflowDeleted(TypedDict):
    """``workflow.deleted``: Fired when a workflow is deleted"""

    workflow: WorkflowDeletedWorkflow


class WorkflowExecutedWorkflow(TypedDict):
    id: str
    name: str
    status: NotRequired[str]
    created_at: NotRequired[str]
    created_by: NotRequired[str]
    started_at: NotRequired[str]


class WorkflowExecuted(TypedDict):
    """``workflow.executed``: Fired when a workflow execution starts"""

    workflow: WorkflowExecutedWorkflow
    trigger: NotRequired[dict[str, Any]]


class WorkflowCompletedWorkflow(TypedDict):
    id: str
    name: str
    status: Literal["completed"]
    created_at: NotRequired[str]
    created_by: NotRequired[str]
    execution_time: NotRequired[float]
    executed_at: NotRequired[str]


class WorkflowCompletedStep(TypedDict):
    id: str
    name: str
    status: str
    duration: NotRequired[float]


class WorkflowCompleted(TypedDict):
    """``workflow.completed``: Fired when a workflow completes successfully"""

    workflow: WorkflowCompletedWorkflow
    steps: NotRequired[list[WorkflowCompletedStep]]
    custom_data: NotRequired[dict[str, Any]]


class WorkflowFailedWorkflow(TypedDict):
    id: str
    name: str
    status: Literal["failed"]
    created_at: NotRequired[str]
    created_by: NotRequired[str]
    error_message: NotRequired[str]
    failed_at: NotRequired[str]


class ErrorDetails(TypedDict):
    step: NotRequired[str]
    integration: NotRequired[str]
    error_code: NotRequired[str]
    retry_count: NotRequired[int]


class WorkflowFailed(TypedDict):
    """``workflow.failed``: Fired when a workflow execution fails"""

    workflow: WorkflowFailedWorkflow
    error_details: ErrorDetails


class IntegrationConnectedIntegration(TypedDict):
    id: str
    name: str
    provider: NotRequired[str]
    status: NotRequired[str]
    connected_at: NotRequired[str]


class IntegrationConnected(TypedDict):
    """``integration.connected``: Fired when an integration is successfully connected"""

    integration: IntegrationConnectedIntegration


class IntegrationDisconnectedIntegration(TypedDict):
    id: str
    name: str
    provider: NotRequired[str]
    status: NotRequired[str]
    disconnected_at: NotRequired[str]


class IntegrationDisconnected(TypedDict):
    """``integration.disconnected``: Fired when an integration connection is lost"""

    integration: IntegrationDisconnectedIntegration
    reason: NotRequired[str]


class Integration(TypedDict):
    id: str
    name: str
    provider: NotRequired[str]
    status: NotRequired[str]


class IntegrationError(TypedDict):
    """``integration.error``: Fired when an integration encounters an error"""

    integration: Integration
    error_details: NotRequired[ErrorDetails]


class UserInvitedUser(TypedDict):
    id: str
    email: str
    name: NotRequired[str]
    role: NotRequired[str]
    invited_by: NotRequired[str]
    invited_at: NotRequired[str]


class UserInvited(TypedDict):
    """``user.invited``: Fired when a team member is invited"""

    user: UserInvitedUser


class UserJoinedUser(TypedDict):
    id: str
    email: str
    name: NotRequired[str]
    role: NotRequired[str]
    joined_at: NotRequired[str]


class UserJoined(TypedDict):
    """``user.joined``: Fired when a user joins the workspace"""

    user: UserJoinedUser


class BillingUpdatedBilling(TypedDict):
    plan: NotRequired[str]
    status: NotRequired[str]
    seats: NotRequired[int]
    currency: NotRequired[str]
    updated_at: NotRequired[str]


class BillingUpdated(TypedDict):
    """``billing.updated``: Fired when billing information changes"""

    billing: BillingUpdatedBilling
    changes: NotRequired[list[str]]
