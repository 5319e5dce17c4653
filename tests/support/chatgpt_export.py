"""ChatGPT exports made by hand: conversations as trees, archives and folders with images."""

import json
import zipfile
from itertools import count

BEGAN = 1_700_000_000.25  # seconds since 1970


def node(node_id, parent, role=None, text=None, *, content=None, at=None, recipient="all", **metadata):
    """A node of the mapping; without a role one that has no message."""
    if role is None:
        return {"id": node_id, "parent": parent, "message": None, "children": []}
    message = {
        "id": node_id,
        "author": {"role": role, "name": None, "metadata": {}},
        "create_time": at,
        "update_time": None,
        "content": content or {"content_type": "text", "parts": [text]},
        "status": metadata.pop("status", "finished_successfully"),
        "end_turn": None,
        "weight": 1.0,
        "metadata": metadata,
        "recipient": recipient,
    }
    return {"id": node_id, "parent": parent, "message": message, "children": []}


def conversation(*nodes, conversation_id="c-1", title="소금 likes 후추", current=None, **fields):
    mapping = {each["id"]: each for each in nodes}
    for each in nodes:
        if each["parent"] in mapping:
            mapping[each["parent"]]["children"].append(each["id"])
    return {
        "title": title,
        "create_time": BEGAN,
        "update_time": BEGAN + 100,
        "mapping": mapping,
        "current_node": current or nodes[-1]["id"],
        "conversation_id": conversation_id,
        "id": conversation_id,
        "default_model_slug": "gpt-4o",
        **fields,
    }


def talk(conversation_id="c-1", turns=2, **fields):
    """Questions and answers one after another."""
    nodes = [node("root", None), node("system", "root", "system", "")]
    clock = count(1)
    for turn in range(1, turns + 1):
        at = BEGAN + next(clock)
        nodes.append(node(f"q{turn}", nodes[-1]["id"], "user", f"질문 {turn}?", at=at))
        nodes.append(
            node(f"a{turn}", nodes[-1]["id"], "assistant", f"Answer {turn}.", at=at + 0.5, model_slug="gpt-4o")
        )
    return conversation(*nodes, conversation_id=conversation_id, **fields)


def image_part(asset, scheme="file-service"):
    return {
        "content_type": "image_asset_pointer",
        "asset_pointer": f"{scheme}://{asset}",
        "size_bytes": 100,
        "width": 3,
        "height": 2,
        "metadata": None,
    }


def multimodal(*parts):
    return {"content_type": "multimodal_text", "parts": list(parts)}


def archive(path, conversations, files=(), name="conversations.json"):
    """A zip archive; files: name → bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(name, json.dumps(conversations))
        for each, data in dict(files).items():
            out.writestr(each, data)
    return path
