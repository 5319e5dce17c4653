"""The text that function tools add to a prompt: a TypeScript-like namespace, one type per function."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from talkmeter.metering.tokens.schema_2023 import parameters_2023
from talkmeter.metering.tokens.schema_text import Renderer, Schema, as_schema, comment, is_measured


class ToolsText(NamedTuple):
    """The rendered text, and whether every schema feature in it was seen in metered calls."""

    text: str
    measured: bool


def tools_text(functions: Sequence[Mapping[str, Any]]) -> ToolsText:
    """Render `functions` (name, description, parameters) as models of 2024–26 read them.

    Recorded calls of gpt-3.5-turbo-0125 to gpt-5.6 reproduce with it to the token.
    """
    measured = True
    blocks: list[str] = []
    for function in functions:
        parameters = as_schema(function.get("parameters"))
        renderer = Renderer(as_schema(parameters.get("$defs")))
        blocks.extend(_head(function))
        blocks.extend((_declaration(function, parameters, renderer), ""))
        measured = measured and not renderer.cut_short and is_measured(parameters)
    return ToolsText(_namespace(blocks), measured)


def functions_text(functions: Sequence[Mapping[str, Any]]) -> ToolsText:
    """Render the deprecated `functions` as gpt-3.5-turbo and gpt-4 of 2023–24 read them."""
    blocks: list[str] = []
    for function in functions:
        declared = parameters_2023(as_schema(function.get("parameters")))
        arguments = f"_: {declared}" if declared else ""
        blocks.extend(_head(function))
        blocks.extend((f"type {_name(function)} = ({arguments}) => any;", ""))
    return ToolsText(_namespace(blocks), measured=True)


def _declaration(function: Mapping[str, Any], parameters: Schema, renderer: Renderer) -> str:
    if not parameters.get("properties"):
        return f"type {_name(function)} = () => any;"
    title = f"// {parameters['title']}\n" if parameters.get("title") else ""
    return f"type {_name(function)} = (_: {title}{renderer.object(parameters)}) => any;"


def _head(function: Mapping[str, Any]) -> list[str]:
    description = function.get("description")
    return comment(description) if isinstance(description, str) and description else []


def _name(function: Mapping[str, Any]) -> str:
    return str(function.get("name", ""))


def _namespace(blocks: list[str]) -> str:
    return "\n".join(["namespace functions {", "", *blocks, "} // namespace functions"])
