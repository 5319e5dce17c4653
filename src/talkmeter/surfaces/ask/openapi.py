"""The OpenAPI document, from the types that the door itself reads and writes. Pure."""

from typing import Any

import msgspec

from talkmeter.surfaces.ask import examples
from talkmeter.surfaces.ask.answers import RATE_HEADERS
from talkmeter.surfaces.ask.shapes import (
    AskBody,
    Conversation,
    Conversations,
    Deleted,
    Failure,
    Health,
    Reply,
    StopBody,
    Stopping,
)

TYPES = (AskBody, StopBody, Reply, Failure, Conversation, Conversations, Deleted, Stopping, Health)
_RATE_HEADER = {
    "schema": {"type": "string"},
    "description": "Of the tightest rate limit when the question was sent, where the key or its user has one.",
}
EVENTS = (
    "Server-sent events. `asked` says which run this is; then, each with its seq as `id`: `queued`, `started`, "
    "`reasoning`, `delta` (from `offset` on, the answer is `text`), `stopping`, and one of the ends `finished`, "
    "`stopped`, `failed`, `interrupted`, whose data is the whole reply. `restarting`: the server stops, and the answer "
    "continues after the restart. A comment comes every 15 s."
)
ABOUT = """
A conversation backend that remembers. **A question**: `POST /ask/{conversation_id}` with `{"prompt": "…"}`. The id is
yours to make; an unknown one begins a conversation, `new` a fresh one each time. The answer goes on when you leave, and
every call is in the ledger with its exact cost.

Programs on this machine need no key; others send `Authorization: Bearer tm_…`. Below `/v1/` any OpenAI client works.
"""


def document(version: str) -> dict[str, Any]:
    """OpenAPI 3.1, JSON-able."""
    _, components = msgspec.json.schema_components(TYPES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Talkmeter", "version": version, "description": ABOUT.strip()},
        "servers": [{"url": "/"}],
        "security": [{}, {"key": []}],
        "tags": [
            {"name": "ask", "description": "Conversations"},
            {"name": "v1", "description": "For OpenAI clients, passed on byte for byte"},
            {"name": "health", "description": "For whoever watches the server"},
        ],
        "paths": {
            "/ask": {"get": _list(), "post": _ask("Ask in a fresh conversation", [])},
            "/ask/{conversation_id}": {
                "post": _ask("Ask", [_conversation_id()]),
                "get": _history(),
                "delete": _delete(),
            },
            "/ask/{conversation_id}/stop": {"post": _stop()},
            "/health": {"get": _health()},
            **_v1(),
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key, `tm_…`."}},
        },
    }


def _ask(summary: str, parameters: list[dict[str, Any]]) -> dict[str, Any]:
    headers = [
        _header("Idempotency-Key", "The same key again gives the same answer, while its conversation is kept.", 255),
        _header("X-Talkmeter-Tags", "Tags that budgets and the ledger go by, separated by commas.", 2000),
    ]
    return {
        "tags": ["ask"],
        "summary": summary,
        "operationId": "ask" if parameters else "askAnew",
        "parameters": [*parameters, *headers, _last_event_id()],
        "requestBody": {"required": True, "content": {"application/json": _body("AskBody", examples.ASKED)}},
        "responses": {
            "200": {
                "description": "The answer",
                "headers": dict.fromkeys(RATE_HEADERS, _RATE_HEADER),
                "content": {
                    "application/json": _body("Reply", {"Reply": examples.REPLY}),
                    "text/event-stream": {
                        "schema": {"type": "string", "description": EVENTS},
                        "examples": {"A stream": {"value": examples.STREAM}},
                    },
                },
            },
            **_failures(400, 401, 403, 404, 409, 413, 421, 422, 429, 502, 503, 504),
        },
    }


def _history() -> dict[str, Any]:
    return {
        "tags": ["ask"],
        "summary": "The conversation so far",
        "description": "With `Accept: text/event-stream` the answer under way is followed instead, or the newest.",
        "operationId": "history",
        "parameters": [
            _conversation_id(),
            _query("before", {"type": "string"}, "The `older` of the page before."),
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 999999, "default": 200}, "Messages at once."),
            _query("run_id", {"type": "string"}, "Which answer to follow, as events."),
            _query("after", {"type": "integer", "minimum": 0, "maximum": 999999999999999}, "As `Last-Event-ID`."),
            _last_event_id(),
        ],
        "responses": {
            "200": {
                "description": "Its messages, oldest first",
                "content": {
                    "application/json": _body("Conversation", {"Conversation": examples.CONVERSATION}),
                    "text/event-stream": {"schema": {"type": "string", "description": EVENTS}},
                },
            },
            "204": {"description": "As events: there is nothing more to tell"},
            **_failures(400, 401, 403, 404, 421),
        },
    }


def _list() -> dict[str, Any]:
    return {
        "tags": ["ask"],
        "summary": "Your conversations",
        "operationId": "conversations",
        "parameters": [
            _query("cursor", {"type": "string"}, "The `next` of the page before."),
            _query("limit", {"type": "integer", "minimum": 1, "maximum": 999999, "default": 200}, "Rows at once."),
        ],
        "responses": {
            "200": {
                "description": "Pinned ones first, then by last use",
                "content": {"application/json": _body("Conversations", {"Conversations": examples.CONVERSATIONS})},
            },
            **_failures(400, 401, 403, 421),
        },
    }


def _delete() -> dict[str, Any]:
    return {
        "tags": ["ask"],
        "summary": "Forget a conversation",
        "description": "Its texts are gone; what is under way is cancelled and settled first. The ledger stays.",
        "operationId": "forget",
        "parameters": [_conversation_id()],
        "responses": {
            "200": {
                "description": "It is gone",
                "content": {"application/json": _body("Deleted", {"Deleted": examples.DELETED})},
            },
            **_failures(400, 401, 403, 404, 421),
        },
    }


def _stop() -> dict[str, Any]:
    return {
        "tags": ["ask"],
        "summary": "Stop the answer under way",
        "operationId": "stop",
        "parameters": [_conversation_id()],
        "requestBody": {
            "required": False,
            "content": {"application/json": _body("StopBody", {"Stop all": {"mode": "drain"}})},
        },
        "responses": {
            "200": {
                "description": "They were asked to end",
                "content": {"application/json": _body("Stopping", {"Stopping": examples.STOPPING})},
            },
            **_failures(400, 401, 403, 404, 413, 421, 422),
        },
    }


def _health() -> dict[str, Any]:
    return {
        "tags": ["health"],
        "summary": "Whether the server answers",
        "operationId": "health",
        "security": [{}],
        "responses": {
            "200": {
                "description": "It does",
                "content": {"application/json": _body("Health", {"Health": {"status": "ok"}})},
            }
        },
    }


def _v1() -> dict[str, Any]:
    """In short: what OpenAI's own description says holds."""
    anything = {"type": "object", "additionalProperties": True}
    whole = {"description": "As the provider answers", "content": {"application/json": {"schema": anything}}}

    def passed(name: str, summary: str, example: dict[str, Any]) -> dict[str, Any]:
        body = {"required": True, "content": {"application/json": {"schema": anything, "example": example}}}
        responses = {"200": whole, "4XX": whole, "5XX": whole}
        return {
            "post": {
                "tags": ["v1"],
                "summary": summary,
                "operationId": name,
                "requestBody": body,
                "responses": responses,
            }
        }

    listed = {"tags": ["v1"], "summary": "The models there are", "operationId": "models", "responses": {"200": whole}}
    return {
        "/v1/models": {"get": listed},
        "/v1/chat/completions": passed("chatCompletions", "Chat completions", examples.CHAT),
        "/v1/responses": passed("responses", "Responses", examples.RESPONSES),
        "/v1/embeddings": passed("embeddings", "Embeddings", examples.EMBEDDINGS),
    }


def _body(name: str, told: dict[str, Any]) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{name}"}
    return {"schema": schema, "examples": {title: {"value": value} for title, value in told.items()}}


def _failures(*statuses: int) -> dict[str, Any]:
    return {
        str(status): {
            "description": examples.STATUSES[status],
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Failure"}}},
        }
        for status in statuses
    }


def _conversation_id() -> dict[str, Any]:
    return {
        "name": "conversation_id",
        "in": "path",
        "required": True,
        "description": "Yours to make: 1 to 200 characters without `$`. `new`: a fresh conversation.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 200},
        "example": "conversation_id",
    }


def _header(name: str, about: str, most: int) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1, "maxLength": most}
    return {"name": name, "in": "header", "required": False, "description": about, "schema": schema}


def _query(name: str, schema: dict[str, Any], about: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": about, "schema": schema}


def _last_event_id() -> dict[str, Any]:
    about = "The last event that was seen: the stream goes on after it, and nothing is asked anew."
    schema = {"type": "integer", "minimum": 0, "maximum": 999999999999999}
    return {"name": "Last-Event-ID", "in": "header", "required": False, "description": about, "schema": schema}
