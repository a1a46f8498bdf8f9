"""The data of ContractAI's events.

Written by ``python -m hookwright.typegen contractai``; do not edit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    # In `typing` from Python 3.11 on; type checkers have it for all.
    from typing_extensions import NotRequired

__all__ = [
    "AgentAction",
    "AgentCreated",
    "AgentDeleted",
    "AgentError",
    "AgentMessage",
    "AgentResult",
    "AgentStarted",
    "AgentStopped",
    "AgentUpdated",
    "AnalysisCompleted",
    "AnalysisError",
    "AnalysisStarted",
    "DocumentAdded",
    "DocumentDeleted",
    "DocumentUpdated",
    "EventName",
    "MaintenanceEnd",
    "MaintenanceSchedule",
    "MaintenanceStart",
    "SearchError",
    "SearchPerformed",
    "SearchResults",
    "SecurityAlert",
    "SecurityBreach",
    "SecurityUpdate",
    "SystemAlert",
    "SystemErrorData",
    "SystemHealth",
]

EventName = Literal[
    "agent.created",
    "agent.updated",
    "agent.deleted",
    "agent.started",
    "agent.stopped",
    "agent.error",
    "agent.message",
    "agent.action",
    "agent.result",
    "document.added",
    "document.updated",
    "document.deleted",
    "search.performed",
    "search.results",
    "search.error",
    "analysis.started",
    "analysis.completed",
    "analysis.error",
    "system.health",
    "system.alert",
    "system.error",
    "security.alert",
    "security.breach",
    "security.update",
    "maintenance.start",
    "maintenance.end",
    "maintenance.schedule",
]
"""The names of all event types."""


class AgentCreatedAgent(TypedDict):
    id: str
    name: NotRequired[str]
    status: NotRequired[str]
    version: NotRequired[str]
    created_at: NotRequired[str]


class AgentCreated(TypedDict):
    """``agent.created``: An agent was created"""

    agent: AgentCreatedAgent


class AgentUpdatedAgent(TypedDict):
    id: str
    name: NotRequired[str]
    status: NotRequired[str]
    version: NotRequired[str]
    updated_at: NotRequired[str]


class AgentUpdated(TypedDict):
    """``agent.updated``: An agent's configuration changed"""

    agent: AgentUpdatedAgent
    changes: NotRequired[list[str]]


class AgentDeletedAgent(TypedDict):
    id: str
    name: NotRequired[str]
    status: NotRequired[str]
    version: NotRequired[str]
    deleted_at: NotRequired[str]


class AgentDeleted(TypedDict):
    """``agent.deleted``: An agent was deleted"""

    agent: AgentDeletedAgent


class AgentStartedAgent(TypedDict):
    id: str
    name: NotRequired[str]
    status: NotRequired[str]
    version: NotRequired[str]
    started_at: NotRequired[str]


class AgentStarted(TypedDict):
    """``agent.started``: An agent started to run"""

    agent: AgentStartedAgent


class AgentStoppedAgent(TypedDict):
    id: str
    name: NotRequired[str]
    status: NotRequired[str]
    version: NotRequired[str]
    stopped_at: NotRequired[str]


class AgentStopped(TypedDict):
    """``agent.stopped``: An agent stopped"""

    agent: AgentStoppedAgent
    reason: NotRequired[str]


class Agent(TypedDict):
    id: str
    name: NotRequired[str]
    status: NotRequired[str]
    version: NotRequired[str]


class Error(TypedDict):
    code: str
    message: str
    retryable: NotRequired[bool]


class AgentError(TypedDict):
    """``agent.error``: An agent met an error"""

    agent: Agent
    error: Error


class AgentMessageMessage(TypedDict):
    id: str
    conversation_id: NotRequired[str]
    role: NotRequired[str]
    content: str


class AgentMessage(TypedDict):
    """``agent.message``: An agent sent a message"""

    agent: Agent
    message: AgentMessageMessage


class AgentActionAction(TypedDict):
    id: str
    name: str
    input: NotRequired[dict[str, Any]]


class AgentAction(TypedDict):
    """``agent.action``: An agent took an action"""

    agent: Agent
    action: AgentActionAction


class AgentResultAction(TypedDict):
    id: str
    name: NotRequired[str]


class AgentResultResult(TypedDict):
    status: str
    output: NotRequired[dict[str, Any]]
    duration_ms: NotRequired[int]


class AgentResult(TypedDict):
    """``agent.result``: An agent's action came to a result"""

    agent: Agent
    action: NotRequired[AgentResultAction]
    result: AgentResultResult


class DocumentAddedDocument(TypedDict):
    id: str
    title: NotRequired[str]
    media_type: NotRequired[str]
    size: NotRequired[int]
    version: NotRequired[int]
    added_by: NotRequired[str]
    added_at: NotRequired[str]


class DocumentAdded(TypedDict):
    """``document.added``: A document was added to the knowledge base"""

    document: DocumentAddedDocument


class DocumentUpdatedDocument(TypedDict):
    id: str
    title: NotRequired[str]
    media_type: NotRequired[str]
    size: NotRequired[int]
    version: NotRequired[int]
    updated_by: NotRequired[str]
    updated_at: NotRequired[str]


class DocumentUpdated(TypedDict):
    """``document.updated``: A document of the knowledge base changed"""

    document: DocumentUpdatedDocument
    changes: NotRequired[list[str]]


class DocumentDeletedDocument(TypedDict):
    id: str
    title: NotRequired[str]
    media_type: NotRequired[str]
    size: NotRequired[int]
    version: NotRequired[int]
    deleted_by: NotRequired[str]
    deleted_at: NotRequired[str]


class DocumentDeleted(TypedDict):
    """``document.deleted``: A document was removed from the knowledge base"""

    document: DocumentDeletedDocument


class SearchPerformedSearch(TypedDict):
    id: str
    query: NotRequired[str]
    filters: NotRequired[dict[str, Any]]
    performed_by: NotRequired[str]
    performed_at: NotRequired[str]


class SearchPerformed(TypedDict):
    """``search.performed``: A search was run"""

    search: SearchPerformedSearch


class Search(TypedDict):
    id: str
    query: NotRequired[str]
    filters: NotRequired[dict[str, Any]]


class SearchResultsResult(TypedDict):
    document_id: str
    title: NotRequired[str]
    score: NotRequired[float]


class SearchResults(TypedDict):
    """``search.results``: The results of a search are there"""

    search: Search
    results: list[SearchResultsResult]
    total: NotRequired[int]
    duration_ms: NotRequired[int]


class SearchError(TypedDict):
    """``search.error``: A search failed"""

    search: Search
    error: Error


class AnalysisStartedAnalysis(TypedDict):
    id: str
    document_id: NotRequired[str]
    type: NotRequired[str]
    started_at: NotRequired[str]


class AnalysisStarted(TypedDict):
    """``analysis.started``: The analysis of a document started"""

    analysis: AnalysisStartedAnalysis


class AnalysisCompletedAnalysis(TypedDict):
    id: str
    document_id: NotRequired[str]
    type: NotRequired[str]
    completed_at: NotRequired[str]


class AnalysisCompletedFinding(TypedDict):
    clause: NotRequired[str]
    severity: NotRequired[str]
    summary: str


class AnalysisCompleted(TypedDict):
    """``analysis.completed``: The analysis of a document is complete"""

    analysis: AnalysisCompletedAnalysis
    findings: NotRequired[list[AnalysisCompletedFinding]]


class Analysis(TypedDict):
    id: str
    document_id: NotRequired[str]
    type: NotRequired[str]


class AnalysisError(TypedDict):
    """``analysis.error``: The analysis of a document failed"""

    analysis: Analysis
    error: Error


class SystemHealthComponent(TypedDict):
    name: str
    status: str


class SystemHealth(TypedDict):
    """``system.health``: The system reports how it is"""

    status: str
    components: NotRequired[list[SystemHealthComponent]]
    checked_at: NotRequired[str]


class Alert(TypedDict):
    id: str
    severity: NotRequired[str]
    message: str
    component: NotRequired[str]
    raised_at: NotRequired[str]


class SystemAlert(TypedDict):
    """``system.alert``: The system raised an alert"""

    alert: Alert


class SystemErrorData(TypedDict):
    """``system.error``: The system met an error"""

    error: Error
    component: NotRequired[str]


class SecurityAlertAlert(TypedDict):
    id: str
    severity: NotRequired[str]
    message: str
    component: NotRequired[str]
    raised_at: NotRequired[str]
    source_ip: NotRequired[str]


class SecurityAlert(TypedDict):
    """``security.alert``: Something suspicious was seen"""

    alert: SecurityAlertAlert


class SecurityBreachBreach(TypedDict):
    id: str
    severity: NotRequired[str]
    summary: str
    affected: NotRequired[list[str]]
    detected_at: NotRequired[str]


class SecurityBreach(TypedDict):
    """``security.breach``: A breach of security was found"""

    breach: SecurityBreachBreach


class SecurityUpdateUpdate(TypedDict):
    id: str
    title: str
    version: NotRequired[str]
    action_required: NotRequired[bool]
    released_at: NotRequired[str]


class SecurityUpdate(TypedDict):
    """``security.update``: A security update was released"""

    update: SecurityUpdateUpdate


class MaintenanceStartMaintenance(TypedDict):
    id: str
    title: NotRequired[str]
    components: NotRequired[list[str]]
    started_at: NotRequired[str]
    expected_end_at: NotRequired[str]


class MaintenanceStart(TypedDict):
    """``maintenance.start``: A maintenance window opened"""

    maintenance: MaintenanceStartMaintenance


class MaintenanceEndMaintenance(TypedDict):
    id: str
    title: NotRequired[str]
    components: NotRequired[list[str]]
    started_at: NotRequired[str]
    ended_at: NotRequired[str]


class MaintenanceEnd(TypedDict):
    """``maintenance.end``: A maintenance window closed"""

    maintenance: MaintenanceEndMaintenance


class MaintenanceScheduleMaintenance(TypedDict):
    id: str
    title: NotRequired[str]
    components: NotRequired[list[str]]
    starts_at: NotRequired[str]
    ends_at: NotRequired[str]


class MaintenanceSchedule(TypedDict):
    """``maintenance.schedule``: A maintenance window was scheduled"""

    maintenance: MaintenanceScheduleMaintenance
