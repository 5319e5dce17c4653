"""Making a value that satisfies a simple JSON schema, for structured answers and the arguments of tools."""

from collections.abc import Mapping
from typing import Any

_DEEPEST = 12
_FORMATS = {
    "date": "2026-11-20",
    "date-time": "2026-11-20T09:00:00Z",
    "time": "09:00:00Z",
    "email": "simulator@example.com",
    "uri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "ipv4": "192.0.2.1",
    "hostname": "example.com",
}


def value_for(schema: Any, words: str) -> Any:
    """A value for the schema; strings of no special form are `words`. A pattern is not looked at."""
    root = schema if isinstance(schema, Mapping) else {}
    return _value(root, root, words, 0)


def _value(schema: Mapping[str, Any], root: Mapping[str, Any], words: str, depth: int) -> Any:
    schema = _resolved(schema, root)
    if depth > _DEEPEST:
        return None
    if "const" in schema:
        return schema["const"]
    if schema.get("enum"):
        return schema["enum"][0]
    for several in ("anyOf", "oneOf"):
        if schema.get(several):
            return _value(schema[several][0], root, words, depth + 1)
    kind = schema.get("type", "object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = kind[0]
    if kind == "object":
        properties = schema.get("properties") or {}
        wanted = schema.get("required", list(properties))
        return {name: _value(properties.get(name, {}), root, words, depth + 1) for name in wanted}
    if kind == "array":
        count = max(schema.get("minItems", 1), 1)
        count = min(count, schema.get("maxItems", count))
        return [_value(schema.get("items") or {}, root, words, depth + 1) for _ in range(count)]
    return _plain(kind, schema, words)


def _plain(kind: str, schema: Mapping[str, Any], words: str) -> Any:
    if kind in ("integer", "number"):
        least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
        most = schema.get("maximum", schema.get("exclusiveMaximum", max(least, 1) + 1) - 1)
        step = schema.get("multipleOf")
        number = min(max(least, 1), most)
        return -(-number // step) * step if step else number
    if kind == "boolean":
        return True
    if kind == "null":
        return None
    text = _FORMATS.get(schema.get("format", ""), words)
    return text.ljust(schema.get("minLength", 0), "·")[: schema.get("maxLength")]


def _resolved(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(_DEEPEST):
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#"):
            break
        found: Any = root
        for name in reference.removeprefix("#").strip("/").split("/"):
            found = found.get(name, {}) if name and isinstance(found, Mapping) else found
        schema = found if isinstance(found, Mapping) else {}
    return schema
