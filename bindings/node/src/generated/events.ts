// Generated from crates/core by scripts/generate.mjs. Do not edit.

/** The body of a webhook of AetherFlow. */
export interface AetherflowEnvelope<Type = string, Data = unknown> {
  event: Type;
  id: string;
  timestamp: string;
  data: Data;
}

export type AetherflowWorkflow = {
  id: string;
  name: string;
  status?: string;
  created_at?: string;
  created_by?: string;
};

export type AetherflowIntegration = {
  id: string;
  name: string;
  provider?: string;
  status?: string;
};

export type AetherflowUser = {
  id: string;
  email: string;
  name?: string;
  role?: string;
};

export type AetherflowErrorDetails = {
  step?: string;
  integration?: string;
  error_code?: string;
  retry_count?: number;
};

/** The events of AetherFlow, by type. */
export interface AetherflowEvents {
  /** Fired when a new workflow is created. */
  "workflow.created": {
    workflow: AetherflowWorkflow;
  };
  /** Fired when workflow configuration changes. */
  "workflow.updated": {
    workflow: AetherflowWorkflow;
    changes?: string[];
  };
  /** Fired when a workflow is deleted. */
  "workflow.deleted": {
    workflow: AetherflowWorkflow;
  };
  /** Fired when a workflow execution starts. */
  "workflow.executed": {
    workflow: AetherflowWorkflow;
    trigger?: Record<string, unknown>;
  };
  /** Fired when a workflow completes successfully. */
  "workflow.completed": {
    workflow: AetherflowWorkflow;
    steps?: {
      id: string;
      name: string;
      status: string;
      duration?: number;
    }[];
    custom_data?: Record<string, unknown>;
  };
  /** Fired when a workflow execution fails. */
  "workflow.failed": {
    workflow: AetherflowWorkflow;
    error_details: AetherflowErrorDetails;
  };
  /** Fired when an integration is successfully connected. */
  "integration.connected": {
    integration: AetherflowIntegration;
  };
  /** Fired when an integration connection is lost. */
  "integration.disconnected": {
    integration: AetherflowIntegration;
    reason?: string;
  };
  /** Fired when an integration encounters an error. */
  "integration.error": {
    integration: AetherflowIntegration;
    error_details?: AetherflowErrorDetails;
  };
  /** Fired when a team member is invited. */
  "user.invited": {
    user: AetherflowUser;
  };
  /** Fired when a user joins the workspace. */
  "user.joined": {
    user: AetherflowUser;
  };
  /** Fired when billing information changes. */
  "billing.updated": {
    billing: {
      plan?: string;
      status?: string;
      seats?: number;
      currency?: string;
      updated_at?: string;
    };
    changes?: string[];
  };
}

/** The body of a webhook of ContractAI. */
export interface ContractaiEnvelope<Type = string, Data = unknown> {
  event: Type;
  id?: string;
  timestamp?: string;
  data: Data;
  metadata?: unknown;
  context?: unknown;
}

export type ContractaiAgent = {
  id: string;
  name?: string;
  status?: string;
  version?: string;
};

export type ContractaiDocument = {
  id: string;
  title?: string;
  media_type?: string;
  size?: number;
  version?: number;
};

export type ContractaiSearch = {
  id: string;
  query?: string;
  filters?: Record<string, unknown>;
};

export type ContractaiAnalysis = {
  id: string;
  document_id?: string;
  type?: string;
};

export type ContractaiAlert = {
  id: string;
  severity?: string;
  message: string;
  component?: string;
  raised_at?: string;
};

export type ContractaiMaintenance = {
  id: string;
  title?: string;
  components?: string[];
};

export type ContractaiError = {
  code: string;
  message: string;
  retryable?: boolean;
};

/** The events of ContractAI, by type. */
export interface ContractaiEvents {
  /** An agent was created. */
  "agent.created": {
    agent: ContractaiAgent;
  };
  /** An agent's configuration changed. */
  "agent.updated": {
    agent: ContractaiAgent;
    changes?: string[];
  };
  /** An agent was deleted. */
  "agent.deleted": {
    agent: ContractaiAgent;
  };
  /** An agent started to run. */
  "agent.started": {
    agent: ContractaiAgent;
  };
  /** An agent stopped. */
  "agent.stopped": {
    agent: ContractaiAgent;
    reason?: string;
  };
  /** An agent met an error. */
  "agent.error": {
    agent: ContractaiAgent;
    error: ContractaiError;
  };
  /** An agent sent a message. */
  "agent.message": {
    agent: ContractaiAgent;
    message: {
      id: string;
      conversation_id?: string;
      role?: string;
      content: string;
    };
  };
  /** An agent took an action. */
  "agent.action": {
    agent: ContractaiAgent;
    action: {
      id: string;
      name: string;
      input?: Record<string, unknown>;
    };
  };
  /** An agent's action came to a result. */
  "agent.result": {
    agent: ContractaiAgent;
    action?: {
      id: string;
      name?: string;
    };
    result: {
      status: string;
      output?: Record<string, unknown>;
      duration_ms?: number;
    };
  };
  /** A document was added to the knowledge base. */
  "document.added": {
    document: ContractaiDocument;
  };
  /** A document of the knowledge base changed. */
  "document.updated": {
    document: ContractaiDocument;
    changes?: string[];
  };
  /** A document was removed from the knowledge base. */
  "document.deleted": {
    document: ContractaiDocument;
  };
  /** A search was run. */
  "search.performed": {
    search: ContractaiSearch;
  };
  /** The results of a search are there. */
  "search.results": {
    search: ContractaiSearch;
    results: {
      document_id: string;
      title?: string;
      score?: number;
    }[];
    total?: number;
    duration_ms?: number;
  };
  /** A search failed. */
  "search.error": {
    search: ContractaiSearch;
    error: ContractaiError;
  };
  /** The analysis of a document started. */
  "analysis.started": {
    analysis: ContractaiAnalysis;
  };
  /** The analysis of a document is complete. */
  "analysis.completed": {
    analysis: ContractaiAnalysis;
    findings?: {
      clause?: string;
      severity?: string;
      summary: string;
    }[];
  };
  /** The analysis of a document failed. */
  "analysis.error": {
    analysis: ContractaiAnalysis;
    error: ContractaiError;
  };
  /** The system reports how it is. */
  "system.health": {
    status: string;
    components?: {
      name: string;
      status: string;
    }[];
    checked_at?: string;
  };
  /** The system raised an alert. */
  "system.alert": {
    alert: ContractaiAlert;
  };
  /** The system met an error. */
  "system.error": {
    error: ContractaiError;
    component?: string;
  };
  /** Something suspicious was seen. */
  "security.alert": {
    alert: ContractaiAlert;
  };
  /** A breach of security was found. */
  "security.breach": {
    breach: {
      id: string;
      severity?: string;
      summary: string;
      affected?: string[];
      detected_at?: string;
    };
  };
  /** A security update was released. */
  "security.update": {
    update: {
      id: string;
      title: string;
      version?: string;
      action_required?: boolean;
      released_at?: string;
    };
  };
  /** A maintenance window opened. */
  "maintenance.start": {
    maintenance: ContractaiMaintenance;
  };
  /** A maintenance window closed. */
  "maintenance.end": {
    maintenance: ContractaiMaintenance;
  };
  /** A maintenance window was scheduled. */
  "maintenance.schedule": {
    maintenance: ContractaiMaintenance;
  };
}

/** The body of a webhook of DigiVault. */
export interface DigivaultEnvelope<Type = string, Data = unknown> {
  id: string;
  type: Type;
  created_at: number;
  data: { object: Data };
}

export type DigivaultContact = {
  id: string;
  username?: string;
  name?: string;
  avatar_url?: string;
};

export type DigivaultConversation = {
  id: string;
  contact?: DigivaultContact;
  created_at?: number;
  updated_at?: number;
};

export type DigivaultMessage = {
  id: string;
  conversation_id: string;
  contact?: DigivaultContact;
  message?: string;
  created_at?: number;
};

export type DigivaultGroup = {
  id: string;
  name?: string;
  created_at?: number;
  updated_at?: number;
};

/** The events of DigiVault, by type. */
export interface DigivaultEvents {
  /** A new conversation was created. */
  "conversation.created": DigivaultConversation;
  /** A conversation was updated. */
  "conversation.updated": DigivaultConversation;
  /** A conversation was archived. */
  "conversation.archived": DigivaultConversation;
  /** A conversation was deleted. */
  "conversation.deleted": DigivaultConversation;
  /** A new message was sent in a conversation. */
  "conversation.message.created": DigivaultMessage;
  /** A message was edited. */
  "conversation.message.updated": DigivaultMessage;
  /** A message was deleted. */
  "conversation.message.deleted": DigivaultMessage;
  /** A message was read. */
  "conversation.message.read": DigivaultMessage;
  /** A new contact was created. */
  "contact.created": DigivaultContact;
  /** A contact was updated. */
  "contact.updated": DigivaultContact;
  /** A contact was deleted. */
  "contact.deleted": DigivaultContact;
  /** A new group was created. */
  "group.created": DigivaultGroup;
  /** A group was updated. */
  "group.updated": DigivaultGroup;
  /** A member was added to a group. */
  "group.member_added": DigivaultGroup;
  /** A member was removed from a group. */
  "group.member_removed": DigivaultGroup;
  /** A group was deleted. */
  "group.deleted": DigivaultGroup;
}

/** The body of a webhook of Filedgr. */
export interface FiledgrEnvelope<Type = string, Data = unknown> {
  eventType: Type;
  eventId: string;
  timestamp: string;
  data: Data;
}

/** The events of Filedgr, by type. */
export interface FiledgrEvents {
  /** Triggered when a new vault is created. */
  "vault.created": {
    vaultId: string;
    name: string;
    templateId: string;
    owner: string;
    createdAt: string;
  };
  /** Triggered when data is added to or modified in a vault. */
  "vault.data_updated": {
    vaultId: string;
    updateType: string;
    fileId?: string;
    fileName?: string;
    fileSize?: number;
    uploadedBy?: string;
    metadata?: Record<string, unknown>;
  };
  /** Triggered when vault permissions are modified. */
  "vault.permission_changed": {
    vaultId: string;
    userId: string;
    permission: string;
    previousPermission: string;
    changedBy: string;
    expiresAt?: string;
  };
  /** Triggered when blockchain verification completes. */
  "vault.verification_complete": {
    vaultId: string;
    fileId: string;
    verificationStatus: string;
    blockchainTx?: string;
    network?: string;
    gasUsed?: number;
    proofHash?: string;
  };
  /** Triggered when new data arrives in a stream. */
  "stream.data_received": {
    streamId: string;
    vaultId: string;
    dataPoints: number;
    latestData: Record<string, unknown>;
    source?: string;
  };
  /** Triggered when stream data exceeds defined thresholds. */
  "stream.alert_triggered": {
    streamId: string;
    vaultId: string;
    alertRule: string;
    severity: string;
    triggerValue: number;
    threshold: number;
    message: string;
  };
  /** Triggered when someone accesses vault data. */
  "vault.accessed": {
    vaultId: string;
    userId: string;
    accessType: string;
    resource: string;
    ipAddress?: string;
    userAgent?: string;
  };
}

/** The body of a webhook of Generic (X-Webhook-Signature). */
export interface GenericEnvelope<Type = string, Data = unknown> {
  id: string;
  type: Type;
  created_at?: string;
  data: Data;
}

export type GenericUser = {
  id: string;
  name?: string;
  email?: string;
  status?: string;
};

export type GenericProject = {
  id: string;
  name?: string;
  owner_id?: string;
  status?: string;
};

export type GenericPayment = {
  id: string;
  user_id?: string;
  amount: number;
  currency: string;
  status?: string;
};

/** The events of Generic (X-Webhook-Signature), by type. */
export interface GenericEvents {
  /** New user registered. */
  "user.created": GenericUser;
  /** User profile updated. */
  "user.updated": GenericUser;
  /** User account deleted. */
  "user.deleted": GenericUser;
  /** New project created. */
  "project.created": GenericProject;
  /** Project modified. */
  "project.updated": GenericProject;
  /** Project deleted. */
  "project.deleted": GenericProject;
  /** File uploaded. */
  "file.uploaded": {
    id: string;
    name: string;
    size?: number;
    content_type?: string;
    project_id?: string;
    uploaded_by?: string;
  };
  /** Payment processed successfully. */
  "payment.succeeded": GenericPayment;
  /** Payment failed. */
  "payment.failed": GenericPayment;
}

/** The body of a webhook of Standard Webhooks. */
export interface StandardWebhooksEnvelope<Type = string, Data = unknown> {
  type: Type;
  timestamp: string;
  data: Data;
}

/** The events of Standard Webhooks, by type. */
export type StandardWebhooksEvents = { readonly [type: string]: unknown };

/** What the body looks like, by profile. */
export interface ProfileEnvelopes<Type, Data> {
  "aetherflow": AetherflowEnvelope<Type, Data>;
  "contractai": ContractaiEnvelope<Type, Data>;
  "digivault": DigivaultEnvelope<Type, Data>;
  "filedgr": FiledgrEnvelope<Type, Data>;
  "generic": GenericEnvelope<Type, Data>;
  "standard-webhooks": StandardWebhooksEnvelope<Type, Data>;
}

/** The events, by profile. */
export interface ProfileEvents {
  "aetherflow": AetherflowEvents;
  "contractai": ContractaiEvents;
  "digivault": DigivaultEvents;
  "filedgr": FiledgrEvents;
  "generic": GenericEvents;
  "standard-webhooks": StandardWebhooksEvents;
}
