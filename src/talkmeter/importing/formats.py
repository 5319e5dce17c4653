"""The formats by name. A new one is a reader and a line here."""

from collections.abc import Callable, Mapping
from pathlib import Path

from talkmeter.conversation.importing.values import Format
from talkmeter.importing import easy_backend, token_meter
from talkmeter.importing.chatgpt import export as chatgpt
from talkmeter.importing.source import Source

# What opens a path, or raises BadInput if it is none of its kind.
FORMATS: Mapping[Format, Callable[[Path], Source]] = {
    chatgpt.FORMAT: chatgpt.ChatGPTExport,
    easy_backend.FORMAT: easy_backend.EasyBackend,
    token_meter.FORMAT: token_meter.TokenMeter,
}
