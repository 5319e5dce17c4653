"""What each dialect's message means, and what answers it. Texts that hold separators and marks of their own included."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from talkmeter.errors import BadInput, BudgetRefused, UpstreamError
from talkmeter.ids import new_id
from talkmeter.surfaces.websocket.dialects import (
    END,
    ERROR,
    Question,
    delta_frames,
    end_frame,
    error_frame,
    parse,
)

MESSAGE = "msg_0123456789abcdefghjkmnpqrs"

MEANT = {
    # text → dialect, conversation, parent, prompt
    "Hello": ("v1", None, UNSET, "Hello"),
    "the price is $5 and $6": ("v1", None, UNSET, "the price is $5 and $6"),
    " <|ask|>$new$new$x": ("v1", None, UNSET, " <|ask|>$new$new$x"),
    "<|end|>": ("v1", None, UNSET, "<|end|>"),
    "<|ask|>$abc$Hello": ("v2", "abc", UNSET, "Hello"),
    "<|ask|>$abc$the price is $5": ("v2", "abc", UNSET, "the price is $5"),
    "<|ask|>$abc$5$6$7": ("v2", "abc", UNSET, "5$6$7"),
    "<|ask|>$abc$": ("v2", "abc", UNSET, ""),
    "<|ask|>$new$Hello": ("v2", None, UNSET, "Hello"),
    "<|ask|>$../../etc/passwd$Hello": ("v2", "../../etc/passwd", UNSET, "Hello"),
    "<|ask|>$new$new$Hello": ("v3", None, UNSET, "Hello"),
    "<|ask|>$new$$Hello": ("v3", None, UNSET, "Hello"),
    "<|ask|>$abc$new$the price is $5$": ("v3", "abc", UNSET, "the price is $5$"),
    f"<|ask|>$abc${MESSAGE}$costs $5": ("v3", "abc", MESSAGE, "costs $5"),
    f"<|ask|>$abc${MESSAGE}x$Hello": ("v2", "abc", UNSET, f"{MESSAGE}x$Hello"),
    f"<|ask|>$abc${MESSAGE}": ("v2", "abc", UNSET, MESSAGE),
    "<|ask|>$abc$line one\n\n\nline $two": ("v2", "abc", UNSET, "line one\n\n\nline $two"),
}


@pytest.mark.parametrize("text", MEANT)
def test_what_is_meant(text):
    dialect, conversation, parent, prompt = MEANT[text]
    assert parse(text) == Question(dialect=dialect, conversation_id=conversation, parent_id=parent, prompt=prompt)


@pytest.mark.parametrize("text", ["<|ask|>", "<|ask|>$", "<|ask|>$abc", "<|ask|>$$Hello", "<|ask|>$$new$Hello",
                                  "<|ask|>abc$new$Hello", "<|ask|>$" + "x" * 257 + "$Hello"])  # fmt: skip
def test_a_message_without_a_conversation_is_refused(text):
    with pytest.raises(BadInput) as refused:
        parse(text)
    assert "<|ask|>$conversation_id$parent_id$prompt" in error_frame(refused.value)


def test_a_text_without_a_mark_may_be_of_the_oldest_dialect():
    assert parse("Hello", "v0").dialect == "v0"
    assert parse("<|ask|>$abc$Hello", "v0").dialect == "v2"


@given(conversation=st.text(min_size=1, max_size=200).filter(lambda text: "$" not in text), prompt=st.text())
def test_no_part_of_a_prompt_is_lost(conversation, prompt):
    asked = parse(f"<|ask|>${conversation}${new_id('msg')}${prompt}")
    assert asked.prompt == prompt
    assert asked.conversation_id == (None if conversation == "new" else conversation)


def test_only_the_newest_dialect_is_told_ids_at_the_end():
    assert [end_frame(dialect, "abc", MESSAGE) for dialect in ("v0", "v1", "v2", "v3")] == [
        None,
        END,
        END,
        f"{END}$abc${MESSAGE}",
    ]


@given(st.text())
def test_a_piece_of_an_answer_is_never_taken_for_a_mark(text):
    for piece in (text, END + text, ERROR + text):
        frames = delta_frames(piece)
        assert "".join(frames) == piece
        assert not any(frame.startswith((END, ERROR)) or not frame for frame in frames)


def test_a_failing_provider_is_the_bare_mark_and_our_own_errors_say_what_to_do():
    assert error_frame(UpstreamError("It broke.", "끊겼습니다.")) == ERROR
    refused = BudgetRefused("No money.", "예산이 없습니다.", hint="Wait.", hint_ko="기다리십시오.")
    assert error_frame(refused) == f"{ERROR}$No money. Wait. / 예산이 없습니다. 기다리십시오."
    assert error_frame(BadInput("Wrong.", "틀립니다.")) == f"{ERROR}$Wrong. / 틀립니다."
