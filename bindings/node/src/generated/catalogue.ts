// Generated from crates/core by scripts/generate.mjs. Do not edit.

import type { Catalogue } from "../catalogue.js";

/** Samples and schemas of the documented events, by profile. Each schema may refer to its profile's definitions. */
export const CATALOGUE: Readonly<Record<string, Catalogue>> = {
  "aetherflow": {
    "$defs": {
      "workflow": {
        "type": "object",
        "required": [
          "id",
          "name"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "name": {
            "type": "string"
          },
          "status": {
            "type": "string"
          },
          "created_at": {
            "type": "string",
            "format": "date-time"
          },
          "created_by": {
            "type": "string"
          }
        }
      },
      "integration": {
        "type": "object",
        "required": [
          "id",
          "name"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "name": {
            "type": "string"
          },
          "provider": {
            "type": "string"
          },
          "status": {
            "type": "string"
          }
        }
      },
      "user": {
        "type": "object",
        "required": [
          "id",
          "email"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "email": {
            "type": "string",
            "format": "email"
          },
          "name": {
            "type": "string"
          },
          "role": {
            "type": "string"
          }
        }
      },
      "error_details": {
        "type": "object",
        "properties": {
          "step": {
            "type": "string"
          },
          "integration": {
            "type": "string"
          },
          "error_code": {
            "type": "string"
          },
          "retry_count": {
            "type": "integer",
            "minimum": 0
          }
        }
      }
    },
    "events": {
      "workflow.created": {
        "sample": {
          "workflow": {
            "id": "wf_abc123",
            "name": "Email Processor",
            "status": "draft",
            "created_at": "2024-01-15T09:00:00Z",
            "created_by": "user_def456"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "workflow"
          ],
          "properties": {
            "workflow": {
              "$ref": "#/$defs/workflow"
            }
          }
        }
      },
      "workflow.updated": {
        "sample": {
          "workflow": {
            "id": "wf_abc123",
            "name": "Email Processor",
            "status": "active",
            "updated_at": "2024-01-15T09:30:00Z"
          },
          "changes": [
            "status",
            "steps"
          ]
        },
        "schema": {
          "type": "object",
          "required": [
            "workflow"
          ],
          "properties": {
            "workflow": {
              "$ref": "#/$defs/workflow",
              "properties": {
                "updated_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "changes": {
              "type": "array",
              "items": {
                "type": "string"
              }
            }
          }
        }
      },
      "workflow.deleted": {
        "sample": {
          "workflow": {
            "id": "wf_abc123",
            "name": "Email Processor",
            "status": "deleted",
            "deleted_at": "2024-01-16T08:00:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "workflow"
          ],
          "properties": {
            "workflow": {
              "$ref": "#/$defs/workflow",
              "properties": {
                "deleted_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "workflow.executed": {
        "sample": {
          "workflow": {
            "id": "wf_abc123",
            "name": "Email Processor",
            "status": "running",
            "started_at": "2024-01-15T10:29:57Z"
          },
          "trigger": {
            "type": "email",
            "id": "trg_abc123"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "workflow"
          ],
          "properties": {
            "workflow": {
              "$ref": "#/$defs/workflow",
              "properties": {
                "started_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "trigger": {
              "type": "object"
            }
          }
        }
      },
      "workflow.completed": {
        "sample": {
          "workflow": {
            "id": "wf_abc123",
            "name": "Email Processor",
            "status": "completed",
            "execution_time": 2500,
            "executed_at": "2024-01-15T10:29:57Z"
          },
          "steps": [
            {
              "id": "step_1",
              "name": "Process Email",
              "status": "completed",
              "duration": 1200
            },
            {
              "id": "step_2",
              "name": "Send Slack Notification",
              "status": "completed",
              "duration": 1300
            }
          ],
          "custom_data": {
            "email_subject": "Important Update",
            "priority": "high"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "workflow"
          ],
          "properties": {
            "workflow": {
              "$ref": "#/$defs/workflow",
              "required": [
                "status"
              ],
              "properties": {
                "status": {
                  "const": "completed"
                },
                "execution_time": {
                  "type": "number",
                  "minimum": 0
                },
                "executed_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "steps": {
              "type": "array",
              "items": {
                "type": "object",
                "required": [
                  "id",
                  "name",
                  "status"
                ],
                "properties": {
                  "id": {
                    "type": "string"
                  },
                  "name": {
                    "type": "string"
                  },
                  "status": {
                    "type": "string"
                  },
                  "duration": {
                    "type": "number",
                    "minimum": 0
                  }
                }
              }
            },
            "custom_data": {
              "type": "object"
            }
          }
        }
      },
      "workflow.failed": {
        "sample": {
          "workflow": {
            "id": "wf_def456",
            "name": "Data Sync",
            "status": "failed",
            "error_message": "Integration timeout",
            "failed_at": "2024-01-15T10:34:45Z"
          },
          "error_details": {
            "step": "step_3",
            "integration": "salesforce",
            "error_code": "TIMEOUT",
            "retry_count": 3
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "workflow",
            "error_details"
          ],
          "properties": {
            "workflow": {
              "$ref": "#/$defs/workflow",
              "required": [
                "status"
              ],
              "properties": {
                "status": {
                  "const": "failed"
                },
                "error_message": {
                  "type": "string"
                },
                "failed_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "error_details": {
              "$ref": "#/$defs/error_details",
              "required": [
                "retry_count"
              ]
            }
          }
        }
      },
      "integration.connected": {
        "sample": {
          "integration": {
            "id": "int_abc123",
            "name": "Salesforce",
            "provider": "salesforce",
            "status": "connected",
            "connected_at": "2024-01-15T08:45:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "integration"
          ],
          "properties": {
            "integration": {
              "$ref": "#/$defs/integration",
              "properties": {
                "connected_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "integration.disconnected": {
        "sample": {
          "integration": {
            "id": "int_abc123",
            "name": "Salesforce",
            "provider": "salesforce",
            "status": "disconnected",
            "disconnected_at": "2024-01-15T10:34:40Z"
          },
          "reason": "token_expired"
        },
        "schema": {
          "type": "object",
          "required": [
            "integration"
          ],
          "properties": {
            "integration": {
              "$ref": "#/$defs/integration",
              "properties": {
                "disconnected_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "reason": {
              "type": "string"
            }
          }
        }
      },
      "integration.error": {
        "sample": {
          "integration": {
            "id": "int_abc123",
            "name": "Salesforce",
            "provider": "salesforce",
            "status": "error"
          },
          "error_details": {
            "step": "step_3",
            "integration": "salesforce",
            "error_code": "RATE_LIMITED",
            "retry_count": 1
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "integration"
          ],
          "properties": {
            "integration": {
              "$ref": "#/$defs/integration"
            },
            "error_details": {
              "$ref": "#/$defs/error_details"
            }
          }
        }
      },
      "user.invited": {
        "sample": {
          "user": {
            "id": "user_ghi789",
            "email": "sam@example.com",
            "role": "editor",
            "invited_by": "user_def456",
            "invited_at": "2024-01-15T11:00:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "user"
          ],
          "properties": {
            "user": {
              "$ref": "#/$defs/user",
              "properties": {
                "invited_by": {
                  "type": "string"
                },
                "invited_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "user.joined": {
        "sample": {
          "user": {
            "id": "user_ghi789",
            "email": "sam@example.com",
            "name": "Sam Rivera",
            "role": "editor",
            "joined_at": "2024-01-15T12:10:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "user"
          ],
          "properties": {
            "user": {
              "$ref": "#/$defs/user",
              "properties": {
                "joined_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "billing.updated": {
        "sample": {
          "billing": {
            "plan": "team",
            "status": "active",
            "seats": 12,
            "currency": "USD",
            "updated_at": "2024-01-15T13:00:00Z"
          },
          "changes": [
            "seats"
          ]
        },
        "schema": {
          "type": "object",
          "required": [
            "billing"
          ],
          "properties": {
            "billing": {
              "type": "object",
              "properties": {
                "plan": {
                  "type": "string"
                },
                "status": {
                  "type": "string"
                },
                "seats": {
                  "type": "integer",
                  "minimum": 0
                },
                "currency": {
                  "type": "string"
                },
                "updated_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "changes": {
              "type": "array",
              "items": {
                "type": "string"
              }
            }
          }
        }
      }
    }
  },
  "contractai": {
    "$defs": {
      "agent": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "name": {
            "type": "string"
          },
          "status": {
            "type": "string"
          },
          "version": {
            "type": "string"
          }
        }
      },
      "document": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "title": {
            "type": "string"
          },
          "media_type": {
            "type": "string"
          },
          "size": {
            "type": "integer",
            "minimum": 0
          },
          "version": {
            "type": "integer",
            "minimum": 0
          }
        }
      },
      "search": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "query": {
            "type": "string"
          },
          "filters": {
            "type": "object"
          }
        }
      },
      "analysis": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "document_id": {
            "type": "string"
          },
          "type": {
            "type": "string"
          }
        }
      },
      "alert": {
        "type": "object",
        "required": [
          "id",
          "message"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "severity": {
            "type": "string"
          },
          "message": {
            "type": "string"
          },
          "component": {
            "type": "string"
          },
          "raised_at": {
            "type": "string",
            "format": "date-time"
          }
        }
      },
      "maintenance": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "title": {
            "type": "string"
          },
          "components": {
            "type": "array",
            "items": {
              "type": "string"
            }
          }
        }
      },
      "error": {
        "type": "object",
        "required": [
          "code",
          "message"
        ],
        "properties": {
          "code": {
            "type": "string"
          },
          "message": {
            "type": "string"
          },
          "retryable": {
            "type": "boolean"
          }
        }
      }
    },
    "events": {
      "agent.created": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer",
            "status": "created",
            "version": "1",
            "created_at": "2024-01-15T10:30:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "agent"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent",
              "properties": {
                "created_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "agent.updated": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer",
            "status": "stopped",
            "version": "2",
            "updated_at": "2024-01-15T10:40:00Z"
          },
          "changes": [
            "version"
          ]
        },
        "schema": {
          "type": "object",
          "required": [
            "agent"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent",
              "properties": {
                "updated_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "changes": {
              "type": "array",
              "items": {
                "type": "string"
              }
            }
          }
        }
      },
      "agent.deleted": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "deleted_at": "2024-01-16T08:00:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "agent"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent",
              "properties": {
                "deleted_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "agent.started": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer",
            "status": "running",
            "started_at": "2024-01-15T10:45:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "agent"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent",
              "properties": {
                "started_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "agent.stopped": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer",
            "status": "stopped",
            "stopped_at": "2024-01-15T18:00:00Z"
          },
          "reason": "requested"
        },
        "schema": {
          "type": "object",
          "required": [
            "agent"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent",
              "properties": {
                "stopped_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "reason": {
              "type": "string"
            }
          }
        }
      },
      "agent.error": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer",
            "status": "error"
          },
          "error": {
            "code": "TOOL_TIMEOUT",
            "message": "The clause library did not answer",
            "retryable": true
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "agent",
            "error"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent"
            },
            "error": {
              "$ref": "#/$defs/error"
            }
          }
        }
      },
      "agent.message": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer"
          },
          "message": {
            "id": "message_123",
            "conversation_id": "conversation_123",
            "role": "agent",
            "content": "Clause 12.3 has no cap on liability."
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "agent",
            "message"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent"
            },
            "message": {
              "type": "object",
              "required": [
                "id",
                "content"
              ],
              "properties": {
                "id": {
                  "type": "string"
                },
                "conversation_id": {
                  "type": "string"
                },
                "role": {
                  "type": "string"
                },
                "content": {
                  "type": "string"
                }
              }
            }
          }
        }
      },
      "agent.action": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer"
          },
          "action": {
            "id": "action_123",
            "name": "request_approval",
            "input": {
              "document_id": "document_123",
              "approver": "legal"
            }
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "agent",
            "action"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent"
            },
            "action": {
              "type": "object",
              "required": [
                "id",
                "name"
              ],
              "properties": {
                "id": {
                  "type": "string"
                },
                "name": {
                  "type": "string"
                },
                "input": {
                  "type": "object"
                }
              }
            }
          }
        }
      },
      "agent.result": {
        "sample": {
          "agent": {
            "id": "agent_123",
            "name": "Contract reviewer"
          },
          "action": {
            "id": "action_123",
            "name": "request_approval"
          },
          "result": {
            "status": "succeeded",
            "output": {
              "approved": true
            },
            "duration_ms": 840
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "agent",
            "result"
          ],
          "properties": {
            "agent": {
              "$ref": "#/$defs/agent"
            },
            "action": {
              "type": "object",
              "required": [
                "id"
              ],
              "properties": {
                "id": {
                  "type": "string"
                },
                "name": {
                  "type": "string"
                }
              }
            },
            "result": {
              "type": "object",
              "required": [
                "status"
              ],
              "properties": {
                "status": {
                  "type": "string"
                },
                "output": {
                  "type": "object"
                },
                "duration_ms": {
                  "type": "integer",
                  "minimum": 0
                }
              }
            }
          }
        }
      },
      "document.added": {
        "sample": {
          "document": {
            "id": "document_123",
            "title": "Master services agreement",
            "media_type": "application/pdf",
            "size": 245760,
            "version": 1,
            "added_by": "user_123",
            "added_at": "2024-01-15T10:31:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "document"
          ],
          "properties": {
            "document": {
              "$ref": "#/$defs/document",
              "properties": {
                "added_by": {
                  "type": "string"
                },
                "added_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "document.updated": {
        "sample": {
          "document": {
            "id": "document_123",
            "title": "Master services agreement",
            "version": 2,
            "updated_by": "user_123",
            "updated_at": "2024-01-15T11:02:00Z"
          },
          "changes": [
            "content"
          ]
        },
        "schema": {
          "type": "object",
          "required": [
            "document"
          ],
          "properties": {
            "document": {
              "$ref": "#/$defs/document",
              "properties": {
                "updated_by": {
                  "type": "string"
                },
                "updated_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "changes": {
              "type": "array",
              "items": {
                "type": "string"
              }
            }
          }
        }
      },
      "document.deleted": {
        "sample": {
          "document": {
            "id": "document_123",
            "deleted_by": "user_123",
            "deleted_at": "2024-01-16T08:05:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "document"
          ],
          "properties": {
            "document": {
              "$ref": "#/$defs/document",
              "properties": {
                "deleted_by": {
                  "type": "string"
                },
                "deleted_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "search.performed": {
        "sample": {
          "search": {
            "id": "search_123",
            "query": "termination for convenience",
            "filters": {
              "type": "agreement"
            },
            "performed_by": "agent_123",
            "performed_at": "2024-01-15T11:05:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "search"
          ],
          "properties": {
            "search": {
              "$ref": "#/$defs/search",
              "properties": {
                "performed_by": {
                  "type": "string"
                },
                "performed_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "search.results": {
        "sample": {
          "search": {
            "id": "search_123",
            "query": "termination for convenience"
          },
          "results": [
            {
              "document_id": "document_123",
              "title": "Master services agreement",
              "score": 0.92
            }
          ],
          "total": 1,
          "duration_ms": 38
        },
        "schema": {
          "type": "object",
          "required": [
            "search",
            "results"
          ],
          "properties": {
            "search": {
              "$ref": "#/$defs/search"
            },
            "results": {
              "type": "array",
              "items": {
                "type": "object",
                "required": [
                  "document_id"
                ],
                "properties": {
                  "document_id": {
                    "type": "string"
                  },
                  "title": {
                    "type": "string"
                  },
                  "score": {
                    "type": "number"
                  }
                }
              }
            },
            "total": {
              "type": "integer",
              "minimum": 0
            },
            "duration_ms": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "search.error": {
        "sample": {
          "search": {
            "id": "search_123",
            "query": "termination for convenience"
          },
          "error": {
            "code": "INDEX_UNAVAILABLE",
            "message": "The search index is being rebuilt",
            "retryable": true
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "search",
            "error"
          ],
          "properties": {
            "search": {
              "$ref": "#/$defs/search"
            },
            "error": {
              "$ref": "#/$defs/error"
            }
          }
        }
      },
      "analysis.started": {
        "sample": {
          "analysis": {
            "id": "analysis_123",
            "document_id": "document_123",
            "type": "risk",
            "started_at": "2024-01-15T11:10:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "analysis"
          ],
          "properties": {
            "analysis": {
              "$ref": "#/$defs/analysis",
              "properties": {
                "started_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "analysis.completed": {
        "sample": {
          "analysis": {
            "id": "analysis_123",
            "document_id": "document_123",
            "type": "risk",
            "completed_at": "2024-01-15T11:10:42Z"
          },
          "findings": [
            {
              "clause": "12.3",
              "severity": "high",
              "summary": "Liability is not capped"
            }
          ]
        },
        "schema": {
          "type": "object",
          "required": [
            "analysis"
          ],
          "properties": {
            "analysis": {
              "$ref": "#/$defs/analysis",
              "properties": {
                "completed_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            },
            "findings": {
              "type": "array",
              "items": {
                "type": "object",
                "required": [
                  "summary"
                ],
                "properties": {
                  "clause": {
                    "type": "string"
                  },
                  "severity": {
                    "type": "string"
                  },
                  "summary": {
                    "type": "string"
                  }
                }
              }
            }
          }
        }
      },
      "analysis.error": {
        "sample": {
          "analysis": {
            "id": "analysis_123",
            "document_id": "document_123",
            "type": "risk"
          },
          "error": {
            "code": "UNSUPPORTED_FORMAT",
            "message": "The document is a scan without text",
            "retryable": false
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "analysis",
            "error"
          ],
          "properties": {
            "analysis": {
              "$ref": "#/$defs/analysis"
            },
            "error": {
              "$ref": "#/$defs/error"
            }
          }
        }
      },
      "system.health": {
        "sample": {
          "status": "degraded",
          "components": [
            {
              "name": "search",
              "status": "healthy"
            },
            {
              "name": "analysis",
              "status": "degraded"
            }
          ],
          "checked_at": "2024-01-15T11:15:00Z"
        },
        "schema": {
          "type": "object",
          "required": [
            "status"
          ],
          "properties": {
            "status": {
              "type": "string"
            },
            "components": {
              "type": "array",
              "items": {
                "type": "object",
                "required": [
                  "name",
                  "status"
                ],
                "properties": {
                  "name": {
                    "type": "string"
                  },
                  "status": {
                    "type": "string"
                  }
                }
              }
            },
            "checked_at": {
              "type": "string",
              "format": "date-time"
            }
          }
        }
      },
      "system.alert": {
        "sample": {
          "alert": {
            "id": "alert_123",
            "severity": "warning",
            "message": "The analysis queue is growing",
            "component": "analysis",
            "raised_at": "2024-01-15T11:15:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "alert"
          ],
          "properties": {
            "alert": {
              "$ref": "#/$defs/alert"
            }
          }
        }
      },
      "system.error": {
        "sample": {
          "error": {
            "code": "STORAGE_FULL",
            "message": "No space left for new documents",
            "retryable": false
          },
          "component": "documents"
        },
        "schema": {
          "type": "object",
          "required": [
            "error"
          ],
          "properties": {
            "error": {
              "$ref": "#/$defs/error"
            },
            "component": {
              "type": "string"
            }
          }
        }
      },
      "security.alert": {
        "sample": {
          "alert": {
            "id": "alert_124",
            "severity": "high",
            "message": "Ten refused sign-ins in one minute",
            "source_ip": "192.0.2.10",
            "raised_at": "2024-01-15T11:20:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "alert"
          ],
          "properties": {
            "alert": {
              "$ref": "#/$defs/alert",
              "properties": {
                "source_ip": {
                  "type": "string"
                }
              }
            }
          }
        }
      },
      "security.breach": {
        "sample": {
          "breach": {
            "id": "breach_123",
            "severity": "critical",
            "summary": "An API key was used from an unknown network",
            "affected": [
              "agent_123"
            ],
            "detected_at": "2024-01-15T11:21:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "breach"
          ],
          "properties": {
            "breach": {
              "type": "object",
              "required": [
                "id",
                "summary"
              ],
              "properties": {
                "id": {
                  "type": "string"
                },
                "severity": {
                  "type": "string"
                },
                "summary": {
                  "type": "string"
                },
                "affected": {
                  "type": "array",
                  "items": {
                    "type": "string"
                  }
                },
                "detected_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "security.update": {
        "sample": {
          "update": {
            "id": "update_123",
            "title": "Rotate webhook secrets",
            "version": "2024.1",
            "action_required": true,
            "released_at": "2024-01-17T09:00:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "update"
          ],
          "properties": {
            "update": {
              "type": "object",
              "required": [
                "id",
                "title"
              ],
              "properties": {
                "id": {
                  "type": "string"
                },
                "title": {
                  "type": "string"
                },
                "version": {
                  "type": "string"
                },
                "action_required": {
                  "type": "boolean"
                },
                "released_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "maintenance.start": {
        "sample": {
          "maintenance": {
            "id": "maintenance_123",
            "title": "Database upgrade",
            "components": [
              "search",
              "analysis"
            ],
            "started_at": "2024-01-20T02:00:00Z",
            "expected_end_at": "2024-01-20T04:00:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "maintenance"
          ],
          "properties": {
            "maintenance": {
              "$ref": "#/$defs/maintenance",
              "properties": {
                "started_at": {
                  "type": "string",
                  "format": "date-time"
                },
                "expected_end_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "maintenance.end": {
        "sample": {
          "maintenance": {
            "id": "maintenance_123",
            "title": "Database upgrade",
            "components": [
              "search",
              "analysis"
            ],
            "started_at": "2024-01-20T02:00:00Z",
            "ended_at": "2024-01-20T03:35:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "maintenance"
          ],
          "properties": {
            "maintenance": {
              "$ref": "#/$defs/maintenance",
              "properties": {
                "started_at": {
                  "type": "string",
                  "format": "date-time"
                },
                "ended_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      },
      "maintenance.schedule": {
        "sample": {
          "maintenance": {
            "id": "maintenance_123",
            "title": "Database upgrade",
            "components": [
              "search",
              "analysis"
            ],
            "starts_at": "2024-01-20T02:00:00Z",
            "ends_at": "2024-01-20T04:00:00Z"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "maintenance"
          ],
          "properties": {
            "maintenance": {
              "$ref": "#/$defs/maintenance",
              "properties": {
                "starts_at": {
                  "type": "string",
                  "format": "date-time"
                },
                "ends_at": {
                  "type": "string",
                  "format": "date-time"
                }
              }
            }
          }
        }
      }
    }
  },
  "digivault": {
    "$defs": {
      "contact": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "username": {
            "type": "string"
          },
          "name": {
            "type": "string"
          },
          "avatar_url": {
            "type": "string",
            "format": "uri"
          }
        }
      },
      "conversation": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "contact": {
            "$ref": "#/$defs/contact"
          },
          "created_at": {
            "type": "integer",
            "minimum": 0
          },
          "updated_at": {
            "type": "integer",
            "minimum": 0
          }
        }
      },
      "message": {
        "type": "object",
        "required": [
          "id",
          "conversation_id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "conversation_id": {
            "type": "string"
          },
          "contact": {
            "$ref": "#/$defs/contact"
          },
          "message": {
            "type": "string"
          },
          "created_at": {
            "type": "integer",
            "minimum": 0
          }
        }
      },
      "group": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "name": {
            "type": "string"
          },
          "created_at": {
            "type": "integer",
            "minimum": 0
          },
          "updated_at": {
            "type": "integer",
            "minimum": 0
          }
        }
      }
    },
    "events": {
      "conversation.created": {
        "sample": {
          "id": "WAz8eIbvDR60rouK",
          "contact": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "created_at": 1640995200
        },
        "schema": {
          "$ref": "#/$defs/conversation"
        }
      },
      "conversation.updated": {
        "sample": {
          "id": "WAz8eIbvDR60rouK",
          "contact": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "created_at": 1640995200,
          "updated_at": 1640998800
        },
        "schema": {
          "$ref": "#/$defs/conversation"
        }
      },
      "conversation.archived": {
        "sample": {
          "id": "WAz8eIbvDR60rouK",
          "contact": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "created_at": 1640995200,
          "archived_at": 1641081600
        },
        "schema": {
          "$ref": "#/$defs/conversation",
          "properties": {
            "archived_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "conversation.deleted": {
        "sample": {
          "id": "WAz8eIbvDR60rouK",
          "deleted_at": 1641168000
        },
        "schema": {
          "$ref": "#/$defs/conversation",
          "properties": {
            "deleted_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "conversation.message.created": {
        "sample": {
          "id": "xgQQXg3hrtjh7AvZ",
          "conversation_id": "WAz8eIbvDR60rouK",
          "contact": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "message": "Hello, world!",
          "created_at": 1640995200
        },
        "schema": {
          "$ref": "#/$defs/message",
          "required": [
            "message",
            "created_at"
          ]
        }
      },
      "conversation.message.updated": {
        "sample": {
          "id": "xgQQXg3hrtjh7AvZ",
          "conversation_id": "WAz8eIbvDR60rouK",
          "contact": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "message": "Hello, New York!",
          "created_at": 1640995200,
          "updated_at": 1640995260
        },
        "schema": {
          "$ref": "#/$defs/message",
          "required": [
            "message"
          ],
          "properties": {
            "updated_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "conversation.message.deleted": {
        "sample": {
          "id": "xgQQXg3hrtjh7AvZ",
          "conversation_id": "WAz8eIbvDR60rouK",
          "deleted_at": 1640995320
        },
        "schema": {
          "$ref": "#/$defs/message",
          "properties": {
            "deleted_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "conversation.message.read": {
        "sample": {
          "id": "xgQQXg3hrtjh7AvZ",
          "conversation_id": "WAz8eIbvDR60rouK",
          "contact": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "read_at": 1640995290
        },
        "schema": {
          "$ref": "#/$defs/message",
          "properties": {
            "read_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "contact.created": {
        "sample": {
          "id": "WAz8eIbvDR60rouK",
          "username": "FrankMcCallister",
          "name": "Frank McCallister",
          "avatar_url": "https://assets.digivault.com/avatars/frank.jpg",
          "created_at": 1640995200
        },
        "schema": {
          "$ref": "#/$defs/contact",
          "properties": {
            "created_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "contact.updated": {
        "sample": {
          "id": "WAz8eIbvDR60rouK",
          "username": "FrankMcCallister",
          "name": "Frank M. McCallister",
          "avatar_url": "https://assets.digivault.com/avatars/frank.jpg",
          "updated_at": 1640998800
        },
        "schema": {
          "$ref": "#/$defs/contact",
          "properties": {
            "updated_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "contact.deleted": {
        "sample": {
          "id": "WAz8eIbvDR60rouK",
          "deleted_at": 1641168000
        },
        "schema": {
          "$ref": "#/$defs/contact",
          "properties": {
            "deleted_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "group.created": {
        "sample": {
          "id": "l7cGNIBKZiNJ6wqF",
          "name": "Plaza Hotel",
          "created_at": 1640995200
        },
        "schema": {
          "$ref": "#/$defs/group"
        }
      },
      "group.updated": {
        "sample": {
          "id": "l7cGNIBKZiNJ6wqF",
          "name": "Plaza Hotel, New York",
          "created_at": 1640995200,
          "updated_at": 1640998800
        },
        "schema": {
          "$ref": "#/$defs/group"
        }
      },
      "group.member_added": {
        "sample": {
          "id": "l7cGNIBKZiNJ6wqF",
          "name": "Plaza Hotel",
          "member": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "added_at": 1640995260
        },
        "schema": {
          "$ref": "#/$defs/group",
          "required": [
            "member"
          ],
          "properties": {
            "member": {
              "$ref": "#/$defs/contact"
            },
            "added_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "group.member_removed": {
        "sample": {
          "id": "l7cGNIBKZiNJ6wqF",
          "name": "Plaza Hotel",
          "member": {
            "id": "WAz8eIbvDR60rouK",
            "username": "FrankMcCallister",
            "name": "Frank McCallister",
            "avatar_url": "https://assets.digivault.com/avatars/frank.jpg"
          },
          "removed_at": 1641081600
        },
        "schema": {
          "$ref": "#/$defs/group",
          "required": [
            "member"
          ],
          "properties": {
            "member": {
              "$ref": "#/$defs/contact"
            },
            "removed_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      },
      "group.deleted": {
        "sample": {
          "id": "l7cGNIBKZiNJ6wqF",
          "deleted_at": 1641168000
        },
        "schema": {
          "$ref": "#/$defs/group",
          "properties": {
            "deleted_at": {
              "type": "integer",
              "minimum": 0
            }
          }
        }
      }
    }
  },
  "filedgr": {
    "$defs": {},
    "events": {
      "vault.created": {
        "sample": {
          "vaultId": "vault_xyz789",
          "name": "Product Certification Vault",
          "templateId": "certification-template-v1",
          "owner": "user_def456",
          "createdAt": "2024-01-15T10:30:00Z"
        },
        "schema": {
          "type": "object",
          "required": [
            "vaultId",
            "name",
            "templateId",
            "owner",
            "createdAt"
          ],
          "properties": {
            "vaultId": {
              "type": "string"
            },
            "name": {
              "type": "string"
            },
            "templateId": {
              "type": "string"
            },
            "owner": {
              "type": "string"
            },
            "createdAt": {
              "type": "string",
              "format": "date-time"
            }
          }
        }
      },
      "vault.data_updated": {
        "sample": {
          "vaultId": "vault_xyz789",
          "updateType": "file_uploaded",
          "fileId": "file_abc123",
          "fileName": "quality-certificate.pdf",
          "fileSize": 245760,
          "uploadedBy": "user_ghi789",
          "metadata": {
            "type": "certificate",
            "category": "quality"
          }
        },
        "schema": {
          "type": "object",
          "required": [
            "vaultId",
            "updateType"
          ],
          "properties": {
            "vaultId": {
              "type": "string"
            },
            "updateType": {
              "type": "string"
            },
            "fileId": {
              "type": "string"
            },
            "fileName": {
              "type": "string"
            },
            "fileSize": {
              "type": "integer",
              "minimum": 0
            },
            "uploadedBy": {
              "type": "string"
            },
            "metadata": {
              "type": "object"
            }
          },
          "if": {
            "properties": {
              "updateType": {
                "const": "file_uploaded"
              }
            }
          },
          "then": {
            "required": [
              "fileId",
              "fileName",
              "fileSize",
              "uploadedBy"
            ]
          }
        }
      },
      "vault.permission_changed": {
        "sample": {
          "vaultId": "vault_xyz789",
          "userId": "user_jkl012",
          "permission": "VIEWER",
          "previousPermission": "NONE",
          "changedBy": "user_def456",
          "expiresAt": "2024-12-31T23:59:59Z"
        },
        "schema": {
          "type": "object",
          "required": [
            "vaultId",
            "userId",
            "permission",
            "previousPermission",
            "changedBy"
          ],
          "properties": {
            "vaultId": {
              "type": "string"
            },
            "userId": {
              "type": "string"
            },
            "permission": {
              "type": "string"
            },
            "previousPermission": {
              "type": "string"
            },
            "changedBy": {
              "type": "string"
            },
            "expiresAt": {
              "type": "string",
              "format": "date-time"
            }
          }
        }
      },
      "vault.verification_complete": {
        "sample": {
          "vaultId": "vault_xyz789",
          "fileId": "file_abc123",
          "verificationStatus": "verified",
          "blockchainTx": "0x1234567890abcdef...",
          "network": "polygon",
          "gasUsed": 21000,
          "proofHash": "0xabcdef1234567890..."
        },
        "schema": {
          "type": "object",
          "required": [
            "vaultId",
            "fileId",
            "verificationStatus"
          ],
          "properties": {
            "vaultId": {
              "type": "string"
            },
            "fileId": {
              "type": "string"
            },
            "verificationStatus": {
              "type": "string"
            },
            "blockchainTx": {
              "type": "string"
            },
            "network": {
              "type": "string"
            },
            "gasUsed": {
              "type": "integer",
              "minimum": 0
            },
            "proofHash": {
              "type": "string"
            }
          },
          "if": {
            "properties": {
              "verificationStatus": {
                "const": "verified"
              }
            }
          },
          "then": {
            "required": [
              "blockchainTx",
              "network",
              "proofHash"
            ]
          }
        }
      },
      "stream.data_received": {
        "sample": {
          "streamId": "stream_temp001",
          "vaultId": "vault_xyz789",
          "dataPoints": 1,
          "latestData": {
            "temperature": 23.5,
            "humidity": 65.2,
            "timestamp": "2024-01-15T11:00:00Z"
          },
          "source": "TEMP-SENSOR-001"
        },
        "schema": {
          "type": "object",
          "required": [
            "streamId",
            "vaultId",
            "dataPoints",
            "latestData"
          ],
          "properties": {
            "streamId": {
              "type": "string"
            },
            "vaultId": {
              "type": "string"
            },
            "dataPoints": {
              "type": "integer",
              "minimum": 0
            },
            "latestData": {
              "type": "object"
            },
            "source": {
              "type": "string"
            }
          }
        }
      },
      "stream.alert_triggered": {
        "sample": {
          "streamId": "stream_temp001",
          "vaultId": "vault_xyz789",
          "alertRule": "high_temperature",
          "severity": "critical",
          "triggerValue": 35.2,
          "threshold": 30,
          "message": "Temperature exceeded safe operating range"
        },
        "schema": {
          "type": "object",
          "required": [
            "streamId",
            "vaultId",
            "alertRule",
            "severity",
            "triggerValue",
            "threshold",
            "message"
          ],
          "properties": {
            "streamId": {
              "type": "string"
            },
            "vaultId": {
              "type": "string"
            },
            "alertRule": {
              "type": "string"
            },
            "severity": {
              "type": "string"
            },
            "triggerValue": {
              "type": "number"
            },
            "threshold": {
              "type": "number"
            },
            "message": {
              "type": "string"
            }
          }
        }
      },
      "vault.accessed": {
        "sample": {
          "vaultId": "vault_xyz789",
          "userId": "user_vwx234",
          "accessType": "view",
          "resource": "file_abc123",
          "ipAddress": "192.168.1.100",
          "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64)..."
        },
        "schema": {
          "type": "object",
          "required": [
            "vaultId",
            "userId",
            "accessType",
            "resource"
          ],
          "properties": {
            "vaultId": {
              "type": "string"
            },
            "userId": {
              "type": "string"
            },
            "accessType": {
              "type": "string"
            },
            "resource": {
              "type": "string"
            },
            "ipAddress": {
              "type": "string"
            },
            "userAgent": {
              "type": "string"
            }
          }
        }
      }
    }
  },
  "generic": {
    "$defs": {
      "user": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "name": {
            "type": "string"
          },
          "email": {
            "type": "string",
            "format": "email"
          },
          "status": {
            "type": "string"
          }
        }
      },
      "project": {
        "type": "object",
        "required": [
          "id"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "name": {
            "type": "string"
          },
          "owner_id": {
            "type": "string"
          },
          "status": {
            "type": "string"
          }
        }
      },
      "payment": {
        "type": "object",
        "required": [
          "id",
          "amount",
          "currency"
        ],
        "properties": {
          "id": {
            "type": "string"
          },
          "user_id": {
            "type": "string"
          },
          "amount": {
            "type": "integer",
            "minimum": 0
          },
          "currency": {
            "type": "string"
          },
          "status": {
            "type": "string"
          }
        }
      }
    },
    "events": {
      "user.created": {
        "sample": {
          "id": "user_123",
          "name": "John Doe",
          "email": "john@example.com",
          "status": "active"
        },
        "schema": {
          "$ref": "#/$defs/user",
          "required": [
            "name"
          ]
        }
      },
      "user.updated": {
        "sample": {
          "id": "user_123",
          "name": "John Doe",
          "email": "john.doe@example.com",
          "status": "active"
        },
        "schema": {
          "$ref": "#/$defs/user"
        }
      },
      "user.deleted": {
        "sample": {
          "id": "user_123",
          "name": "John Doe",
          "email": "john@example.com",
          "status": "deleted"
        },
        "schema": {
          "$ref": "#/$defs/user"
        }
      },
      "project.created": {
        "sample": {
          "id": "project_123",
          "name": "Website relaunch",
          "owner_id": "user_123",
          "status": "active"
        },
        "schema": {
          "$ref": "#/$defs/project"
        }
      },
      "project.updated": {
        "sample": {
          "id": "project_123",
          "name": "Website relaunch 2026",
          "owner_id": "user_123",
          "status": "active"
        },
        "schema": {
          "$ref": "#/$defs/project"
        }
      },
      "project.deleted": {
        "sample": {
          "id": "project_123",
          "name": "Website relaunch",
          "owner_id": "user_123",
          "status": "deleted"
        },
        "schema": {
          "$ref": "#/$defs/project"
        }
      },
      "file.uploaded": {
        "sample": {
          "id": "file_123",
          "name": "report.pdf",
          "size": 245760,
          "content_type": "application/pdf",
          "project_id": "project_123",
          "uploaded_by": "user_123"
        },
        "schema": {
          "type": "object",
          "required": [
            "id",
            "name"
          ],
          "properties": {
            "id": {
              "type": "string"
            },
            "name": {
              "type": "string"
            },
            "size": {
              "type": "integer",
              "minimum": 0
            },
            "content_type": {
              "type": "string"
            },
            "project_id": {
              "type": "string"
            },
            "uploaded_by": {
              "type": "string"
            }
          }
        }
      },
      "payment.succeeded": {
        "sample": {
          "id": "payment_123",
          "user_id": "user_123",
          "amount": 4900,
          "currency": "usd",
          "status": "succeeded"
        },
        "schema": {
          "$ref": "#/$defs/payment"
        }
      },
      "payment.failed": {
        "sample": {
          "id": "payment_123",
          "user_id": "user_123",
          "amount": 4900,
          "currency": "usd",
          "status": "failed",
          "failure_code": "card_declined",
          "failure_message": "The card was declined"
        },
        "schema": {
          "$ref": "#/$defs/payment",
          "properties": {
            "failure_code": {
              "type": "string"
            },
            "failure_message": {
              "type": "string"
            }
          }
        }
      }
    }
  },
  "standard-webhooks": {
    "$defs": {},
    "events": {}
  }
};
