"""The rendering of 2023–24: always one property a line, descriptions on the outermost level only.

Kept because the API's figures of those years, and the vectors measured against them, follow it.
"""

from talkmeter.metering.tokens.schema_text import Schema, as_json, as_schema, properties_of, required_of

_PRIMITIVES = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}
_DESCRIBED_LEVELS = 1
MAX_DEPTH = 40


def parameters_2023(schema: Schema) -> str:
    """Render a function's parameters; empty if it has none."""
    return _object(schema, level=0) if properties_of(schema) else ""


def _object(schema: Schema, level: int) -> str:
    required = required_of(schema)
    lines: list[str] = []
    for name, value in properties_of(schema).items():
        description = value.get("description")
        if isinstance(description, str) and description and level < _DESCRIBED_LEVELS:
            lines.append(f"// {description}")
        lines.append(f"{name}{'' if name in required else '?'}: {_type(value, level)},")
    indent = "  " * level
    return "\n".join(["{", *(indent + line for line in lines), "}"])


def _type(schema: Schema, level: int) -> str:
    if level > MAX_DEPTH:
        return "any"
    variants, values, kind = schema.get("anyOf"), schema.get("enum"), schema.get("type")
    if isinstance(variants, list):
        return " | ".join(_type(as_schema(variant), level) for variant in variants)
    if isinstance(values, list) and values:
        return " | ".join(map(as_json, values))
    if kind == "object":
        return _object(schema, level + 1)
    if kind == "array":
        return _type(as_schema(schema["items"]), level) + "[]" if schema.get("items") else "any[]"
    return _PRIMITIVES.get(kind, "any") if isinstance(kind, str) else "any"
