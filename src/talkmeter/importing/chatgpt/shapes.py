"""The parts of an export that matter here. Its shape is promised by nobody: what may differ is Any."""

from typing import Any

from msgspec import Struct, field


class Author(Struct):
    role: str = ""


class Content(Struct):
    content_type: str = "text"
    parts: Any = None
    text: Any = None
    language: Any = None
    user_profile: Any = None
    user_instructions: Any = None


class Metadata(Struct):
    model_slug: Any = None
    is_visually_hidden_from_conversation: Any = None
    is_user_system_message: Any = None
    user_context_message_data: Any = None
    attachments: Any = None
    finish_details: Any = None
    content_references: Any = None
    aggregate_result: Any = None


class Message(Struct):
    author: Author = field(default_factory=Author)
    content: Content | None = None
    metadata: Metadata | None = None
    create_time: Any = None
    status: Any = None
    recipient: Any = None


class Node(Struct):
    message: Message | None = None
    parent: str | None = None
    children: list[str] | None = None


class Conversation(Struct):
    mapping: dict[str, Node]
    id: str | None = None
    conversation_id: str | None = None
    title: str | None = None
    create_time: Any = None
    update_time: Any = None
    current_node: str | None = None
    is_starred: Any = None
    pinned_time: Any = None


def texts(*values: Any) -> list[str]:
    """Those among the values that are texts and say something."""
    return [value for value in values if isinstance(value, str) and value.strip()]


def dicts(value: Any) -> list[dict[str, Any]]:
    """The objects in what should be a list of them."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
