"""One message of an export as what a reader of the conversation sees of it. Pure.

What ChatGPT calls a message is often a part of an answer only: a thought, a call of a tool, the tool's result.
"""

import json
import re
from collections import Counter
from typing import Any

import msgspec
from msgspec import Struct

from talkmeter.conversation.importing.values import LeftOut
from talkmeter.importing.chatgpt.marks import without_marks
from talkmeter.importing.chatgpt.shapes import Content, Message, Metadata, dicts, texts

_ASSET = re.compile(r"(?:file-service|sediment)://(file[-_][A-Za-z0-9]+)")
_NO_LONGER = "Original custom instructions no longer available"
_THOUGHTS = {"thoughts", "reasoning_recap"}
_SOUNDS = {"audio_asset_pointer", "real_time_user_audio_video_asset_pointer", "video_container_asset_pointer"}


class Picture(Struct, frozen=True):
    """asset: the file's name begins with it. name: for people, if the export tells one."""

    asset: str
    name: str | None = None


class Piece(Struct, frozen=True):
    """system: a part of the system prompt."""

    text: str = ""
    pictures: tuple[Picture, ...] = ()
    system: str = ""
    left_out: tuple[LeftOut, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.text or self.pictures)


NOTHING = Piece()


def piece_of(message: Message | None) -> Piece:
    """Nothing, with what is left out, for what was not to be seen."""
    if message is None or message.content is None:
        return NOTHING
    content, about = message.content, message.metadata or Metadata()
    if content.content_type == "user_editable_context" or about.is_user_system_message:
        return _instructions(content, about)
    if about.is_visually_hidden_from_conversation:
        return Piece(left_out=("hidden",) if _words(content) else ())
    match message.author.role:
        case "system":
            return Piece(system="\n\n".join(_words(content)))
        case "user":
            return _question(content, about)
        case "tool":
            return _result(content, about)
        case _:
            return _answer(message, content, about)


def _instructions(content: Content, about: Metadata) -> Piece:
    """What a person had told ChatGPT about themselves, as they had written it if the export has that."""
    data = about.user_context_message_data
    own = texts(data.get("about_user_message"), data.get("about_model_message")) if isinstance(data, dict) else []
    said = own or texts(content.user_profile, content.user_instructions) or _words(content)
    return Piece(system="\n\n".join(each.strip() for each in said if each.strip() != _NO_LONGER))


def _question(content: Content, about: Metadata) -> Piece:
    names = {each["id"]: each.get("name") for each in dicts(about.attachments) if isinstance(each.get("id"), str)}
    text, pictures, left_out = _parts(content, names)
    seen = {picture.asset for picture in pictures}
    files: list[LeftOut] = ["file" for name in names if name not in seen]
    return Piece(text, pictures, left_out=(*left_out, *files))


def _answer(message: Message, content: Content, about: Metadata) -> Piece:
    if content.content_type in _THOUGHTS:
        return Piece(left_out=("reasoning",))
    if message.recipient not in ("all", None):
        return _call(message.recipient, content)
    if content.content_type == "code":
        return Piece(_fenced(content.text, content.language))
    text, pictures, left_out = _parts(content, {})
    return Piece(without_marks(text, about.content_references), pictures, left_out=left_out)


def _call(tool: Any, content: Content) -> Piece:
    """What an answer tells a tool: a program and a document were shown, the rest was not."""
    said = "\n\n".join(_words(content))
    if tool == "python":
        return Piece(_fenced(said, "python"))
    document = _document(said) if tool == "canmore.create_textdoc" else ""
    return Piece(document) if document else Piece(left_out=("tool",))


def _result(content: Content, about: Metadata) -> Piece:
    """What a tool gave: a program's output and images were shown, web pages and notes to the model were not."""
    if content.content_type == "execution_output":
        return Piece(_fenced(content.text, "text"), _plots(about.aggregate_result))
    _, pictures, left_out = _parts(content, {})
    return Piece(pictures=pictures, left_out=left_out) if pictures else Piece(left_out=("tool",))


def _parts(content: Content, names: dict[str, Any]) -> tuple[str, tuple[Picture, ...], tuple[LeftOut, ...]]:
    """Text, images, and what is neither. names: of files, by their ids."""
    said: list[str] = []
    pictures: dict[str, Picture] = {}
    left_out: Counter[LeftOut] = Counter()
    for part in content.parts if isinstance(content.parts, list) else [content.text]:
        kind = part.get("content_type") if isinstance(part, dict) else None
        if kind == "image_asset_pointer" and (found := _ASSET.match(str(part.get("asset_pointer")))):
            name = names.get(found[1])
            pictures.setdefault(found[1], Picture(found[1], name if isinstance(name, str) and name else None))
        elif kind == "audio_transcription":
            said += texts(part.get("text"))
        elif kind in _SOUNDS:
            left_out["sound"] += 1
        elif part is not None and not isinstance(part, str):
            left_out["part"] += 1
        else:
            said += texts(part)
    return "\n\n".join(said), tuple(pictures.values()), tuple(left_out.elements())


def _words(content: Content) -> list[str]:
    return texts(*content.parts) if isinstance(content.parts, list) else texts(content.text)


def _plots(result: Any) -> tuple[Picture, ...]:
    """The images that a program drew."""
    messages = dicts(result.get("messages")) if isinstance(result, dict) else []
    found = (_ASSET.match(str(each.get("image_url"))) for each in messages if each.get("message_type") == "image")
    return tuple(Picture(each[1]) for each in found if each)


def _document(said: str) -> str:
    """A canvas: text as it is, a program in a fence."""
    try:
        made = msgspec.convert(json.loads(said), dict[str, Any])
    except (ValueError, msgspec.ValidationError):
        return ""
    kind, language = str(made.get("type")).partition("/")[::2]
    written = "".join(texts(made.get("content")))
    return _fenced(written, language) if kind == "code" else written


def _fenced(text: Any, language: Any) -> str:
    """A code block, its fence longer than any within."""
    if not texts(text):
        return ""
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    word = language if isinstance(language, str) and re.fullmatch("[A-Za-z0-9+#-]{1,20}", language) else ""
    return f"{fence}{'' if word == 'unknown' else word}\n{text.strip(chr(10))}\n{fence}"
