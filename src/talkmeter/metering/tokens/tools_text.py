"""The text that function tools add to a prompt: a TypeScript-like namespace, one type per function."""

from collections.abc import Sequence
from typing import NamedTuple

from talkmeter.metering.tokens.loose import Json, as_object, as_text
from talkmeter.metering.tokens.schema_2023 import parameters_2023
from talkmeter.metering.tokens.schema_text import Renderer, comment, is_measured


class ToolsText(NamedTuple):
    """The rendered text, and whether every schema feature in it was seen in metered calls."""

    text: str
    measured: bool


def tools_text(functions: Sequence[Json]) -> ToolsText:
    """Render `functions` (name, description, parameters) as models of 2024–26 read them.

    Recorded calls of gpt-3.5-turbo-0125 to gpt-5.6 reproduce with it to the token.
    """
    measured = True
    blocks: list[str] = []
    for function in functions:
        parameters = as_object(function.get("parameters"))
        renderer = Renderer(as_object(parameters.get("$defs")))
        blocks.extend(_head(function))
        blocks.extend((_declaration(function, parameters, renderer), ""))
        measured = measured and not renderer.cut_short and is_measured(parameters)
    return ToolsText(_namespace(blocks), measured)


def functions_text(functions: Sequence[Json]) -> ToolsText:
    """Render the deprecated `functions` as gpt-3.5-turbo and gpt-4 of 2023–24 read them."""
    blocks: list[str] = []
    for function in functions:
        declared = parameters_2023(as_object(function.get("parameters")))
        arguments = f"_: {declared}" if declared else ""
        blocks.extend(_head(function))
        blocks.extend((f"type {_name(function)} = ({arguments}) => any;", ""))
    return ToolsText(_namespace(blocks), measured=True)


def _declaration(function: Json, parameters: Json, renderer: Renderer) -> str:
    if not parameters.get("properties"):
        return f"type {_name(function)} = () => any;"
    title = as_text(parameters.get("title"))
    return (
        f"type {_name(function)} = (_: {'// ' + title + chr(10) if title else ''}{renderer.object(parameters)}) => any;"
    )


def _head(function: Json) -> list[str]:
    description = as_text(function.get("description"))
    return comment(description) if description else []


def _name(function: Json) -> str:
    return as_text(function.get("name"))


def _namespace(blocks: list[str]) -> str:
    return "\n".join(["namespace functions {", "", *blocks, "} // namespace functions"])
