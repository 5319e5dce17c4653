"""Reading multipart forms, byte by byte as they are."""

import json
import re
from typing import Any

from talkmeter.simulator.jobs import Upload
from talkmeter.simulator.refusals import Refusal

_BOUNDARY = re.compile(r'boundary=(?:"([^"]+)"|([^;\s]+))', re.IGNORECASE)
_NAME = re.compile(rb'\bname="([^"]*)"', re.IGNORECASE)
_FILENAME = re.compile(rb'\bfilename="([^"]*)"', re.IGNORECASE)
_TYPE = re.compile(rb"^content-type:\s*([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_INTEGERS = ("n", "partial_images", "output_compression")
_DECIMALS = ("temperature",)


def read(raw: bytes, content_type: str) -> tuple[dict[str, Any], dict[str, list[Upload]]]:
    """Fields and files. `name[]` are lists. Raises Refusal 400."""
    match = _BOUNDARY.search(content_type)
    if not content_type.lower().startswith("multipart/form-data") or match is None:
        raise Refusal(400, f"Expected multipart/form-data with a boundary, but got '{content_type[:100]}'.")
    mark = b"\r\n--" + (match[1] or match[2]).encode()
    fields: dict[str, Any] = {}
    files: dict[str, list[Upload]] = {}
    parts = (b"\r\n" + raw).split(mark)
    if len(parts) < 2 or not parts[-1].startswith(b"--"):
        raise Refusal(400, "The form does not end with its boundary.")
    for part in parts[1:-1]:
        head, found, data = part.removeprefix(b"\r\n").partition(b"\r\n\r\n")
        named = _NAME.search(head)
        if not found or named is None:
            raise Refusal(400, "A part of the form has no name.")
        name = named[1].decode("utf-8", "replace")
        if filename := _FILENAME.search(head):
            kind = _TYPE.search(head)
            media_type = kind[1].decode("latin-1").strip() if kind else "application/octet-stream"
            upload = Upload(filename[1].decode("utf-8", "replace"), media_type, data)
            files.setdefault(name.removesuffix("[]"), []).append(upload)
        else:
            _add(fields, name, data)
    return fields, files


def _add(fields: dict[str, Any], name: str, data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    if name.endswith("[]"):
        fields.setdefault(name[:-2], []).append(text)
    else:
        fields[name] = _value(name, text)


def _value(name: str, text: str) -> Any:
    """Forms know only text; what the endpoints read as something else."""
    if name == "stream":
        return {"true": True, "false": False}.get(text.lower(), text)
    if name == "simulate":
        try:
            return json.loads(text)
        except ValueError:
            return text
    try:
        return int(text) if name in _INTEGERS else float(text) if name in _DECIMALS else text
    except ValueError:
        return text
