"""JSON schemas as the TypeScript-like text that OpenAI's models read, in two generations.

The provider does not publish this rendering; both generations were found by fitting metered calls.
This one is what `tools` cost in 2024–26 (over a hundred recorded calls); schema_2023 is what `functions`
cost in 2023–24. Only the length in tokens of these texts is ever used.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from talkmeter.metering.tokens.loose import Json, as_object, as_text, to_json

# Schema words that recorded calls contain, so that their rendering is known.
MEASURED_WORDS = frozenset(
    {
        *("type", "properties", "required", "additionalProperties", "items", "enum", "anyOf", "$ref", "$defs"),
        *("title", "description", "default", "strict"),
    }
)
MAX_NODES = 100_000
MAX_TEXT = 4_000_000
MAX_DEPTH = 40

PRIMITIVES = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "null": "null",
}


def properties_of(schema: Json) -> dict[str, Json]:
    """Return a schema's properties; anything malformed is an empty schema."""
    return {str(key): as_object(value) for key, value in as_object(schema.get("properties")).items()}


def required_of(schema: Json) -> list[str]:
    """Return the names a schema requires, in its order."""
    required = schema.get("required")
    return [name for name in required if isinstance(name, str)] if isinstance(required, list) else []


def comment(text: str) -> list[str]:
    """One comment line per line of `text`, each stripped."""
    return [("// " + line.strip()).rstrip() for line in text.split("\n")]


def is_measured(schema: Json) -> bool:
    """Whether recorded calls used every schema word found anywhere in `schema`.

    A schema of more than MAX_NODES nodes counts as not measured.
    """
    waiting: list[Any] = [schema]
    seen = 0
    while waiting and seen < MAX_NODES:
        seen += 1
        node = waiting.pop()
        if not isinstance(node, Mapping):
            continue
        if not MEASURED_WORDS.issuperset(node):
            return False
        for word in ("properties", "$defs"):
            waiting.extend(as_object(node.get(word)).values())
        waiting.append(node.get("items"))
        variants = node.get("anyOf")
        waiting.extend(variants if isinstance(variants, list) else ())
    return not waiting


class Renderer:
    """Renders the schemas of one function (2024–26 generation).

    A schema that refers to itself or unfolds into more than MAX_NODES nodes or MAX_TEXT characters is
    rendered as ``any`` from there on, and `cut_short` becomes True: a few references to references
    would otherwise fill the memory.
    """

    def __init__(self, definitions: Json) -> None:
        self.definitions = definitions
        self.cut_short = False
        self._nodes = 0
        self._characters = 0
        self._depth = 0

    def object(self, schema: Json) -> str:
        """Render an object: on one line if nothing in it carries a comment, else one line a property."""
        properties = properties_of(schema)
        required = dict.fromkeys(name for name in required_of(schema) if name in properties)
        rows = [(name if name in required else name + "?", properties[name]) for name in required | properties]
        if not self._is_commented(schema):
            return "{ " + ", ".join(self._inline(key, value) for key, value in rows) + " }"
        lines = ["{"]
        for key, value in rows:
            lines.extend(self._lines(key, value))
        return "\n".join([*lines, "}"])

    def type(self, schema: Json) -> str:
        """Render one schema as a type."""
        self._nodes += 1
        if self._nodes > MAX_NODES or self._characters > MAX_TEXT or self._depth > MAX_DEPTH:
            self.cut_short = True
            return "any"
        self._depth += 1
        text = self._type(self._resolve(schema))
        self._depth -= 1
        self._characters += len(text)
        return text

    def _type(self, schema: Json) -> str:
        variants, values, kind = schema.get("anyOf"), schema.get("enum"), schema.get("type")
        if isinstance(variants, list):
            return " | ".join(self.type(as_object(variant)) for variant in variants)
        if isinstance(values, list) and values:
            return " | ".join(map(to_json, values))
        if isinstance(kind, list):
            return " | ".join(self.type({**schema, "type": one}) for one in kind)
        if kind == "object":
            return self.object(schema) if schema.get("properties") else "object"
        if kind == "array":
            return self.type(as_object(schema["items"])) + "[]" if schema.get("items") else "any[]"
        return PRIMITIVES.get(kind, "any") if isinstance(kind, str) else "any"

    def _resolve(self, schema: Json) -> Json:
        reference = schema.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/$defs/"):
            return schema
        target = as_object(self.definitions.get(reference.removeprefix("#/$defs/")))
        return {**target, **{word: value for word, value in schema.items() if word != "$ref"}}

    def _inline(self, key: str, schema: Json) -> str:
        default = _default(schema)
        return f"{key}: {self.type(schema)}" + ("," + default if default else "")

    def _lines(self, key: str, schema: Json) -> Iterator[str]:
        yield from _comments(schema)
        variants = schema.get("anyOf")
        if not isinstance(variants, list):
            yield f"{key}: {self.type(schema)},{_default(schema)}"
            return
        yield f"{key}:"
        for variant in map(as_object, variants):
            form = as_text(variant.get("format"))
            yield f" | {self.type(variant)}" + (f" // format: {form}" if form else "")
        yield "," + _default(schema)

    def _is_commented(self, schema: Json) -> bool:
        waiting = list(properties_of(schema).values())
        while waiting:
            self._nodes += 1
            node = waiting.pop()
            variants = node.get("anyOf")
            variants = variants if isinstance(variants, list) else []
            if any(_comments(node)) or any(as_object(variant).get("format") for variant in variants):
                return True
            if node.get("type") == "object":
                waiting.extend(properties_of(node).values())
        return False


def _comments(schema: Json) -> list[str]:
    title, description = as_text(schema.get("title")), as_text(schema.get("description"))
    lines: list[str] = []
    if title:
        lines.append("// " + title)
        if description:
            lines.append("//")
    if description:
        lines.extend(comment(description))
    return lines


def _default(schema: Json) -> str:
    if "default" not in schema:
        return ""
    value = schema["default"]
    return " // default: " + (value if isinstance(value, str) and schema.get("enum") else to_json(value))
