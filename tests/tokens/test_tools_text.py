"""The renderings, character by character: the token figures hang on them."""

from hypothesis import given, settings
from hypothesis import strategies as st

from talkmeter.metering.tokens import schema_text
from talkmeter.metering.tokens.loose import to_compact_json, to_json
from talkmeter.metering.tokens.schema_2023 import parameters_2023
from talkmeter.metering.tokens.tools_text import functions_text, tools_text


def rendered(parameters: dict, **function) -> str:
    text = tools_text([{"name": "f", "parameters": parameters, **function}]).text
    return text.removeprefix("namespace functions {\n\n").removesuffix("\n\n} // namespace functions")


def of(properties: dict, **rest) -> dict:
    return {"type": "object", "properties": properties, **rest}


def test_no_functions_and_no_parameters():
    assert tools_text([]).text == "namespace functions {\n\n} // namespace functions"
    assert rendered({}) == "type f = () => any;"
    assert rendered(of({})) == "type f = () => any;"
    assert rendered({}, description=" Time \n\n  of day ") == "// Time\n//\n// of day\ntype f = () => any;"


def test_without_comments_an_object_stays_on_one_line_required_first():
    text = rendered(of({"a": {"type": "integer"}, "b": {"type": "boolean"}}, required=["b", "b", "gone", 5]))
    assert text == "type f = (_: { b: boolean, a?: number }) => any;"


def test_one_comment_puts_each_property_on_a_line():
    text = rendered(of({"a": {"type": "string", "description": "x\n y"}, "b": {"type": "null"}}, title="Args"))
    assert text == "type f = (_: // Args\n{\n// x\n// y\na?: string,\nb?: null,\n}) => any;"


def test_titles_stand_above_descriptions():
    text = rendered(of({"a": {"title": "A", "description": "x"}, "b": {"title": "B"}}))
    assert text == "type f = (_: {\n// A\n//\n// x\na?: any,\n// B\nb?: any,\n}) => any;"


def test_types():
    kinds = {
        "a": {"type": "array"},
        "b": {"type": "array", "items": {"type": "string"}},
        "c": {"type": "object"},
        "d": of({"e": {"enum": ["x", 1, None]}}),
        "f": {"type": ["string", "null"]},
        "g": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "h": {"type": "date"},
        "i": {"type": 5},
    }
    assert rendered(of(kinds)) == (
        "type f = (_: { a?: any[], b?: string[], c?: object, "
        'd?: { e?: "x" | 1 | null }, f?: string | null, g?: number | null, h?: any, i?: any }) => any;'
    )


def test_a_comment_deep_inside_opens_every_object_around_it():
    text = rendered(of({"a": of({"b": {"type": "string", "description": "x"}})}))
    assert text == "type f = (_: {\na?: {\n// x\nb?: string,\n},\n}) => any;"


def test_defaults():
    assert (
        rendered(of({"a": {"type": "number", "default": 1}})) == "type f = (_: { a?: number, // default: 1 }) => any;"
    )
    text = rendered(of({"a": {"enum": ["x"], "default": "x"}, "b": {"description": "y", "default": "가"}}))
    assert text == 'type f = (_: {\na?: "x", // default: x\n// y\nb?: any, // default: "가"\n}) => any;'


def test_variants_with_a_format_get_a_line_each():
    text = rendered(of({"a": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}], "default": None}}))
    assert text == "type f = (_: {\na?:\n | string // format: date\n | null\n, // default: null\n}) => any;"


def test_references_are_followed_and_their_siblings_kept():
    parameters = of(
        {"a": {"$ref": "#/$defs/P", "description": "x"}, "b": {"$ref": "#/$defs/Gone"}, "c": {"$ref": "http://x"}},
        **{"$defs": {"P": of({"q": {"type": "string"}})}},
    )
    assert rendered(parameters) == "type f = (_: {\n// x\na?: { q?: string },\nb?: any,\nc?: any,\n}) => any;"


def test_what_recordings_contain_is_measured():
    assert tools_text([{"name": "f", "parameters": of({"a": {"anyOf": [{"type": "string"}], "default": 1}})}]).measured
    for odd in ({"pattern": "x"}, {"items": {"minimum": 1}}, {"anyOf": [{"format": "date"}]}, of({"b": {"oneOf": []}})):
        assert not tools_text([{"name": "f", "parameters": of({"a": odd})}]).measured


def test_a_schema_that_contains_itself_ends():
    loop = of({"a": {"$ref": "#/$defs/Loop"}}, **{"$defs": {"Loop": of({"next": {"$ref": "#/$defs/Loop"}})}})
    text, measured = tools_text([{"name": "f", "parameters": loop}])
    assert text.count("next?") == schema_text.MAX_DEPTH + 1
    assert not measured


def test_doubling_references_end():
    """Forty definitions, each naming the next one twice: 2^40 nodes if nobody stops."""
    defs = {f"D{n}": of({"l": {"$ref": f"#/$defs/D{n + 1}"}, "r": {"$ref": f"#/$defs/D{n + 1}"}}) for n in range(39)}
    text, measured = tools_text([{"name": "f", "parameters": of({"a": {"$ref": "#/$defs/D0"}}, **{"$defs": defs})}])
    assert len(text) < 4 * schema_text.MAX_TEXT
    assert not measured


def test_repeated_long_values_end():
    defs = {"Big": {"enum": ["x" * 100_000]}}
    parameters = of({f"p{n}": {"$ref": "#/$defs/Big"} for n in range(1000)}, **{"$defs": defs})
    text, measured = tools_text([{"name": "f", "parameters": parameters}])
    assert len(text) < 2 * schema_text.MAX_TEXT
    assert not measured


def test_a_schema_with_very_many_nodes_is_not_called_measured(monkeypatch):
    monkeypatch.setattr(schema_text, "MAX_NODES", 10)
    assert schema_text.is_measured(of({"a": {"type": "string"}}))
    assert not schema_text.is_measured(of({f"p{n}": {"type": "string"} for n in range(20)}))


def test_functions_of_2023():
    parameters = of(
        {
            "a": {"type": "string", "description": "first"},
            "b": of({"c": {"type": "integer", "description": "unseen"}, "d": {"enum": ["x", "y"]}}, required=["c"]),
            "e": {"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "null"}]}},
            "g": {"type": "array"},
            "h": {"type": []},
            "i": {"type": "date"},
        },
        required=["a"],
    )
    text, measured = functions_text([{"name": "f", "description": "Does f", "parameters": parameters}, {"name": "g"}])
    assert measured
    assert text == (
        "namespace functions {\n\n// Does f\ntype f = (_: {\n// first\na: string,\nb?: {\n  c: number,\n"
        '  d?: "x" | "y",\n},\ne?: string | null[],\ng?: any[],\nh?: any,\ni?: any,\n}) => any;\n\n'
        "type g = () => any;\n\n} // namespace functions"
    )


def test_deep_functions_of_2023_end():
    schema = of({"a": {"type": "string"}})
    for _ in range(300):
        schema = of({"a": schema})
    assert parameters_2023(schema).endswith("}")


def test_json_that_cannot_be_written_is_empty():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert to_json(deep) == to_compact_json(deep) == ""
    assert to_json(10**5000) == ""
    assert to_json(b"x") == ""
    assert (to_json([1, {"a": "가"}]), to_compact_json([1, {"a": "가"}])) == ('[1, {"a": "가"}]', '[1,{"a":"가"}]')


WORDS = ["type", "properties", "required", "items", "anyOf", "enum", "$ref", "$defs", "title", "description"]
JUNK = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(["object", "array", "string", "#/$defs/type"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*WORDS, "default", "format"]), inner),
    max_leaves=25,
)


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(["name", "description", "parameters"]), JUNK))
def test_any_schema_is_rendered(function):
    assert tools_text([function]).text.startswith("namespace functions {")
    assert functions_text([function]).text.startswith("namespace functions {")
