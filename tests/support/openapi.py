"""OpenAI's OpenAPI document, when the shared folder lies beside the checkout: its schemas, and whether a value fits one.

Reads just as much YAML as the document is written in: blocks of mappings and lists with plain or quoted words.
Texts that go over several lines are dropped; nothing here needs one.
"""

from functools import cache
from typing import Any

from support.token_vectors import SHARED

DOCUMENT = SHARED / "reference/openai-openapi/openapi.yaml"
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}

Line = tuple[int, str]


@cache
def _blocks() -> dict[str, list[Line]]:
    """The lines of each schema, as (indentation, text)."""
    text = DOCUMENT.read_text("utf-8")
    components = text[text.index("\ncomponents:\n") :]
    schemas = components[components.index("\n  schemas:\n") + len("\n  schemas:\n") :]
    blocks: dict[str, list[Line]] = {}
    for line in schemas.splitlines():
        bare = line.lstrip(" ")
        indentation = len(line) - len(bare)
        if not bare:
            continue
        if indentation < 4:
            break
        if indentation == 4:
            blocks[bare.rstrip(":")] = current = []
        else:
            current.append((indentation, bare))
    return blocks


@cache
def schema(name: str) -> Any:
    return _parse(list(_blocks()[name]))


def problems(value: Any, wanted: Any, where: str = "$") -> list[str]:
    """Why a value does not fit a schema; empty if it does."""
    if not isinstance(wanted, dict):
        return []
    if "$ref" in wanted:
        return problems(value, schema(wanted["$ref"].rpartition("/")[2]), where)
    found = [problem for part in wanted.get("allOf", ()) for problem in problems(value, part, where)]
    for several in ("anyOf", "oneOf"):
        if several in wanted:
            tried = [problems(value, part, where) for part in wanted[several]]
            if all(tried):
                found.append(f"{where} fits none of {several}: {min(tried, key=len)}")
    kind = wanted.get("type")
    if kind in _TYPES:
        right = isinstance(value, _TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))
        if not right:
            return [*found, f"{where} is no {kind}: {value!r:.60}"]
    if "enum" in wanted and str(value) not in map(str, wanted["enum"]):
        found.append(f"{where} is none of {wanted['enum']}: {value!r:.60}")
    if isinstance(value, dict):
        found += [f"{where}.{name} is missing" for name in wanted.get("required", ()) if name not in value]
        for name, part in (wanted.get("properties") or {}).items():
            if name in value:
                found += problems(value[name], part, f"{where}.{name}")
    if isinstance(value, list) and "items" in wanted:
        for index, one in enumerate(value):
            found += problems(one, wanted["items"], f"{where}[{index}]")
    return found


def _parse(lines: list[Line]) -> Any:
    """The block that the lines begin with; they are used up."""
    indentation, first = lines[0]
    return _list(lines, indentation) if first.startswith("- ") else _mapping(lines, indentation)


def _mapping(lines: list[Line], indentation: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    while lines and lines[0][0] == indentation and not lines[0][1].startswith("- "):
        _, text = lines.pop(0)
        name, _, rest = text.partition(":")
        made[_word(name)] = _value(rest.strip(), lines, indentation)
    return made


def _list(lines: list[Line], indentation: int) -> list[Any]:
    made: list[Any] = []
    while lines and lines[0][0] == indentation and lines[0][1].startswith("- "):
        _, text = lines.pop(0)
        item = text[2:]
        if item[0] not in "\"'" and (item.endswith(":") or ": " in item):
            lines.insert(0, (indentation + 2, item))
            made.append(_mapping(lines, indentation + 2))
        else:
            made.append(_value(item, lines, indentation))
    return made


def _value(rest: str, lines: list[Line], indentation: int) -> Any:
    if rest in ("", "|", "|-", ">", ">-") or rest.startswith("&"):
        nested = bool(lines) and (
            lines[0][0] > indentation or (lines[0][0] == indentation and lines[0][1].startswith("- "))
        )
        if rest == "" and nested:
            return _parse(lines)
    # What stands deeper goes on with the text.
    while lines and lines[0][0] > indentation:
        lines.pop(0)
    return _word(rest)


def _word(text: str) -> Any:
    text = text.strip()
    if text[:1] in "\"'" and text[-1:] == text[:1]:
        return text[1:-1]
    return {"true": True, "false": False, "[]": [], "{}": {}}.get(text, text)
