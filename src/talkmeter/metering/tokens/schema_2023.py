"""The rendering of 2023–24: always one property a line, descriptions on the outermost level only.

Kept because the API's figures of those years, and the vectors measured against them, follow it.
"""

from talkmeter.metering.tokens.loose import Json, as_object, as_text, to_json
from talkmeter.metering.tokens.schema_text import PRIMITIVES, properties_of, required_of

_DESCRIBED_LEVELS = 1
MAX_DEPTH = 40


def parameters_2023(schema: Json) -> str:
    """Render a function's parameters; empty if it has none."""
    return _object(schema, level=0) if properties_of(schema) else ""


def _object(schema: Json, level: int) -> str:
    required = set(required_of(schema))
    lines: list[str] = []
    for name, value in properties_of(schema).items():
        description = as_text(value.get("description"))
        if description and level < _DESCRIBED_LEVELS:
            lines.append(f"// {description}")
        lines.append(f"{name}{'' if name in required else '?'}: {_type(value, level)},")
    indent = "  " * level
    return "\n".join(["{", *(indent + line for line in lines), "}"])


def _type(schema: Json, level: int) -> str:
    if level > MAX_DEPTH:
        return "any"
    variants, values, kind = schema.get("anyOf"), schema.get("enum"), schema.get("type")
    if isinstance(variants, list):
        return " | ".join(_type(as_object(variant), level) for variant in variants)
    if isinstance(values, list) and values:
        return " | ".join(map(to_json, values))
    if kind == "object":
        return _object(schema, level + 1)
    if kind == "array":
        return _type(as_object(schema["items"]), level) + "[]" if schema.get("items") else "any[]"
    return PRIMITIVES.get(kind, "any") if isinstance(kind, str) else "any"
