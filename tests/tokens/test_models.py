import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.metering.tokens import ENCODING_NAMES, assume, encoding_for
from talkmeter.metering.tokens.models import traits_for

KNOWN = {
    "o200k_base": """
        gpt-4o gpt-4o-mini gpt-4o-2024-08-06 gpt-4o-audio-preview chatgpt-4o-latest gpt-4.1 gpt-4.1-nano-2025-04-14
        gpt-4.5-preview gpt-5 gpt-5-mini gpt-5.2 gpt-5.4-mini-2026-03-17 gpt-5.6-sol o1 o1-mini o3 o3-mini-2025-01-31
        o4-mini ft:gpt-4o-mini-2024-07-18:acme::abc123 ft:gpt-4.1-2025-04-14:acme::x ft:o4-mini-2025-04-16:acme::x
        openai/gpt-4o openrouter/openai/gpt-4o:free azure/gpt-4o GPT-4o sim-chat sim-reasoning""",
    "o200k_harmony": "gpt-oss-20b openai/gpt-oss-120b gpt-oss:20b",
    "cl100k_base": """
        gpt-4 gpt-4-0613 gpt-4-32k gpt-4-turbo gpt-4-1106-vision-preview gpt-3.5-turbo gpt-3.5-turbo-0301
        gpt-3.5-turbo-instruct gpt-35-turbo davinci-002 babbage-002 text-embedding-ada-002 text-embedding-ada-002-v2
        text-embedding-3-small text-embedding-3-large ft:gpt-3.5-turbo-0125:acme::x ft:gpt-4-0613:acme::x
        ft:davinci-002:acme::x""",
    "p50k_base": """
        text-davinci-002 text-davinci-003 code-davinci-002 code-davinci-001 code-cushman-001 code-cushman-002
        davinci-codex cushman-codex""",
    "p50k_edit": "text-davinci-edit-001 code-davinci-edit-001",
    "r50k_base": """
        davinci curie babbage ada text-davinci-001 text-curie-001 text-babbage-001 text-ada-001
        davinci:2023-07-21-v2 curie:ft-acme-2023-01-01 text-similarity-davinci-001 text-search-ada-doc-001
        text-search-babbage-query-001 code-search-ada-code-001""",
    "gpt2": "gpt2 gpt-2 text-chat-davinci-002-20221122",
}
ASSUMED = """
    gpt-6 gpt-6.1-terra chat-latest codex-mini-latest computer-use-preview gpt-audio gpt-realtime-mini gpt-image-1
    daybreak-1 o5 o10 gpt-4.7 gpt-50 llama3.1:8b qwen2.5 mistralai/gpt-4-like claude-sonnet-4-5"""


@pytest.mark.parametrize(
    ("model", "encoding"), [(model, name) for name, models in KNOWN.items() for model in models.split()]
)
def test_known_models(model, encoding):
    assert encoding_for(model) == (encoding, True)


@pytest.mark.parametrize("model", ASSUMED.split())
def test_other_models_are_assumed_to_be_like_gpt_4o(model):
    assert encoding_for(model) == ("o200k_base", False)


@pytest.mark.parametrize(
    ("model", "prime", "reasoning"),
    [
        ("gpt-4o", 3, False),
        ("gpt-4.1-mini", 3, False),
        ("gpt-3.5-turbo", 3, False),
        ("gpt-35-turbo", 3, False),
        ("sim-reasoning", 3, False),
        ("llama3", 3, False),
        ("gpt-5", 2, True),
        ("gpt-5.6-sol", 2, True),
        ("gpt-6", 2, True),
        ("o1", 2, True),
        ("o3-mini-2025-01-31", 2, True),
        ("ft:o4-mini-2025-04-16:acme::x", 2, True),
        ("openai/o4-mini", 2, True),
    ],
)
def test_framing_by_model(model, prime, reasoning):
    traits = traits_for(model)
    assert (traits.prime, traits.reasoning) == (prime, reasoning)


@given(st.text())
def test_any_name_gets_an_answer(model):
    assert encoding_for(model).name in ENCODING_NAMES


def test_overlong_names_are_cut_before_they_are_remembered():
    assert encoding_for("gpt-4o" + "x" * 1_000_000) == ("o200k_base", True)


def test_what_no_rule_knows_counts_by_the_encoding_that_is_assumed():
    assert encoding_for("somebodys-model") == ("o200k_base", False)
    try:
        assume("p50k_base")
        assert encoding_for("somebodys-model") == ("p50k_base", False)
        assert traits_for("somebodys-model").encoding == "p50k_base"
        assert encoding_for("gpt-4") == ("cl100k_base", True)
    finally:
        assume("o200k_base")
