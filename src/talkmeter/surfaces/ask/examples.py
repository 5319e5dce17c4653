"""Examples for the OpenAPI document. Plain values; a test reads each by the type that it stands for."""

from typing import Any

ASKED: dict[str, Any] = {
    "A question": {"prompt": "Hello"},
    "The next one": {"prompt": "And in Korean?", "parent_id": "msg_4vr1q0t2m8k3n5p7s9w1x3y5z7"},
    "With options": {
        "prompt": "Name three colours.",
        "model": "gpt-4o-mini",
        "system_prompt": "Answer briefly.",
        "window": {"tokens": 3200},
        "temperature": 0.5,
        "max_tokens": 200,
        "multitask": "enqueue",
    },
}
_USAGE = {
    "prompt_tokens": 8,
    "completion_tokens": 9,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 0},
}
_COST = {"usd": "0.0000066", "picodollars": "6600000", "provenance": "reported", "unpriced": []}
REPLY: dict[str, Any] = {
    "message": "Hello! How can I help you today?",
    "conversation_id": "conversation_id",
    "parent_id": "msg_4vr1q0t2m8k3n5p7s9w1x3y5z7",
    "id": "msg_4vr1q0t2m8k3n5p7s9w1x3y5z7",
    "object": "text_completion",
    "created": 1795000000,
    "model": "gpt-4o-mini-2024-07-18",
    "choices": [
        {"text": "Hello! How can I help you today?", "index": 0, "logprobs": None, "finish_reason": "stop"},
    ],
    "usage": _USAGE,
    "cost": _COST,
    "run_id": "run_2b4d6f8h0k2m4n6p8r0s2t4v6w",
    "question_id": "msg_1a3c5e7g9j1k3m5n7p9q1r3s5t",
    "status": "complete",
    "entry_id": "call_0dq5f1h3j5k7m9n1p3q5r7s9t1",
}
STREAM = """event: asked
data: {"run_id":"run_2b4d6f8h0k2m4n6p8r0s2t4v6w","conversation_id":"conversation_id"}

id: 1
event: started
data: {"model":"gpt-4o-mini"}

id: 2
event: delta
data: {"offset":0,"text":"Hello!"}

id: 3
event: finished
data: {"message":"Hello!"}

"""
CONVERSATION: dict[str, Any] = {
    "conversation_id": "conversation_id",
    "room_id": "room_5v7w9x1y3z5a7b9c1d3e5f7g9h",
    "title": "Hello",
    "created_at": 1795000000000000,
    "last_used_at": 1795000000000000,
    "messages": [
        {
            "id": "msg_1a3c5e7g9j1k3m5n7p9q1r3s5t",
            "parent_id": None,
            "role": "user",
            "text": "Hello",
            "status": "complete",
            "created_at": 1795000000000000,
            "model": None,
            "run_id": None,
            "usage": None,
            "cost": None,
            "error": None,
        },
        {
            "id": "msg_4vr1q0t2m8k3n5p7s9w1x3y5z7",
            "parent_id": "msg_1a3c5e7g9j1k3m5n7p9q1r3s5t",
            "role": "assistant",
            "text": "Hello! How can I help you today?",
            "status": "complete",
            "created_at": 1795000000000000,
            "model": "gpt-4o-mini",
            "run_id": "run_2b4d6f8h0k2m4n6p8r0s2t4v6w",
            "usage": _USAGE,
            "cost": _COST,
            "error": None,
        },
    ],
    "older": None,
    "under_way": [],
}
CONVERSATIONS: dict[str, Any] = {
    "conversations": [
        {
            "conversation_id": "conversation_id",
            "room_id": "room_5v7w9x1y3z5a7b9c1d3e5f7g9h",
            "title": "Hello",
            "created_at": 1795000000000000,
            "last_used_at": 1795000000000000,
            "message_count": 2,
        }
    ],
    "next": None,
    "total": 1,
}
DELETED: dict[str, Any] = {"conversation_id": "conversation_id", "deleted": True}
STOPPING: dict[str, Any] = {"stopping": ["run_2b4d6f8h0k2m4n6p8r0s2t4v6w"]}
CHAT: dict[str, Any] = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Hello"}]}
RESPONSES: dict[str, Any] = {"model": "gpt-4o-mini", "input": "Hello"}
EMBEDDINGS: dict[str, Any] = {"model": "text-embedding-3-small", "input": "Hello"}
STATUSES: dict[int, str] = {
    400: "An id, a header or a value cannot be used; the error names it",
    401: "The key is missing, unknown, expired or revoked",
    403: "The key does not open this door or this model, or a foreign page asked without one",
    404: "There is no such conversation, message or model",
    409: "The conversation is busy, its messages do not fit the model, or the answer to this key was interrupted",
    413: "The body is too large",
    421: "The server is not called that without a key",
    422: "The body is not of this shape, or the key was used for another question",
    429: "A budget or a rate limit is reached",
    502: "The provider could not be reached, refused, or broke off",
    503: "The server is stopping, or the provider is not there",
    504: "The provider was silent for too long",
}
