"""What the simulator says, and how it is cut into deltas."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from talkmeter.simulator import models
from talkmeter.simulator.answers import answer_text, reasoning_tokens
from talkmeter.simulator.asked import read
from talkmeter.simulator.pieces import before_stop, split, within
from talkmeter.simulator.texts_en import TEXTS as ENGLISH
from talkmeter.simulator.texts_ko import TEXTS as KOREAN

HANGUL = re.compile(r"[가-힣]")
EN_SOURCE = "not from a real model"
KO_SOURCE = "실제 모델이 아니라"


def answer(question: str, model: str = "sim-fast", seed: int = 0, **fields: Any) -> str:
    asked = read({"model": model, "messages": [{"role": "user", "content": question}], **fields}, reasons=False)
    return answer_text(asked, models.find(model), seed)


@pytest.mark.parametrize(
    ("question", "sign"),
    [
        ("Show me a table", "| Figure |"),
        ("Write some code", "```python"),
        ("a formula, please", "$$"),
        ("Make a list", "1. **Open"),
        ("any links?", "]("),
        ("html", "<script>"),
        ("표로 보여 줘", "| 항목 |"),
        ("코드를 짜 줘", "```python"),
        ("공식을 유도해 줘", "$$"),
        ("할 일 목록", "1. **영수증"),
        ("링크 좀", "]("),
    ],
)
def test_a_word_in_the_question_decides(question: str, sign: str) -> None:
    text = answer(question)
    assert sign in text
    assert (KO_SOURCE if HANGUL.search(question) else EN_SOURCE) in text


def test_words_that_only_contain_a_keyword_do_not() -> None:
    for seed in range(20):
        assert "| 항목 |" not in answer("우리 대표의 발표는 어땠나요?", seed=seed)
        assert "```" not in answer("What is an encoder?", seed=seed)


def test_several_topics_come_together() -> None:
    text = answer("a table and code and math")
    assert all(sign in text for sign in ("| Figure |", "```python", "$$"))


def test_the_language_is_the_question_s() -> None:
    for seed in range(20):
        assert not HANGUL.search(answer("How are you?", seed=seed))
        assert KO_SOURCE in answer("잘 지내세요?", seed=seed)
    assert EN_SOURCE in answer("Answer in English: 안녕")
    assert KO_SOURCE in answer("Please answer in Korean")
    assert KO_SOURCE in answer("Good morning", model="sim-korean")


def test_korean_emphasis_before_a_particle_is_exercised() -> None:
    assert "**비용(USD)**은" in answer("마크다운 보여 줘")
    assert "**비용(USD)**은" in answer("hello", model="sim-korean") + "".join(KOREAN.bodies)


def test_the_markdown_model_shows_everything() -> None:
    english, korean = answer("hello", model="sim-markdown"), answer("안녕", model="sim-markdown")
    for text, texts in ((english, ENGLISH), (korean, KOREAN)):
        assert all(section in text for section in texts.sections.values())
        assert texts.disclaimer in text


def test_a_plain_answer_varies_with_question_and_seed_only() -> None:
    questions = [f"question number {number}" for number in range(40)]
    bodies = {next(body for body in ENGLISH.bodies if body in answer(question)) for question in questions}
    assert bodies == set(ENGLISH.bodies)
    assert len({answer("the same", seed=seed) for seed in range(20)}) > 1
    assert answer("the same", seed=7) == answer("the same", seed=7)


def test_a_plain_answer_repeats_no_more_than_a_line_of_the_question() -> None:
    text = answer("a\nb {question} {x} " + "long " * 500)
    assert "a b {question} {x} long" in text
    assert len(text) < 3000
    assert EN_SOURCE in answer("")


@pytest.mark.parametrize("text", ["hello", " two  spaces ", "줄\n바꿈\n", "say: say:", "{}%s **x**"])
def test_say_echoes(text: str) -> None:
    assert answer(f"say: {text}") == text
    assert answer(f"SAY:{text.strip()}") == text.strip()


@pytest.mark.parametrize("question", ["long {}", "write a long {:,} text", "길게 {}", "긴 글 {} 부탁해요"])
@pytest.mark.parametrize("characters", [1, 50, 999, 5000, 60_000])
def test_long_is_exactly_as_long_as_asked(question: str, characters: int) -> None:
    text = answer(question.format(characters))
    assert len(text) == characters
    if characters == 60_000:
        assert all(sign in text for sign in ("```python", "|:--|", "$$", "## 2."))


def test_json_is_answered_where_json_was_asked_for() -> None:
    value = json.loads(answer('a "quoted" question', response_format={"type": "json_object"}))
    assert value["simulated"] is True


def test_the_last_user_message_is_the_question() -> None:
    messages = [
        {"role": "user", "content": "say: first"},
        {"role": "assistant", "content": None},
        {"role": "user", "content": [{"type": "text", "text": "say: last"}]},
        {"role": "tool", "content": "a table"},
    ]
    asked = read({"model": "sim-fast", "messages": messages}, reasons=False)
    assert answer_text(asked, models.find("sim-fast"), 0) == "last"
    asked = read({"model": "sim-fast", "messages": [{"role": "system", "content": "x"}]}, reasons=False)
    assert EN_SOURCE in answer_text(asked, models.find("sim-fast"), 0)


def test_both_languages_are_complete() -> None:
    assert ENGLISH.sections.keys() == KOREAN.sections.keys()
    for name in ("openings", "bodies", "prose"):
        assert len(getattr(ENGLISH, name)) == len(getattr(KOREAN, name))
    # Formulas and code outside their texts are the same in both.
    assert re.findall(r"\$\$.*?\$\$", ENGLISH.sections["math"], re.DOTALL) == re.findall(
        r"\$\$.*?\$\$", KOREAN.sections["math"], re.DOTALL
    )


def test_the_code_that_is_shown_runs() -> None:
    for texts in (ENGLISH, KOREAN):
        (source,) = re.findall(r"```python\n(.*?)```", texts.sections["code"], re.DOTALL)
        exec(compile(source, "answer", "exec"), {"__name__": "answer"})


def test_reasoning_is_in_steps_of_64() -> None:
    def tokens(question: str, **fields: Any) -> int:
        messages = [{"role": "user", "content": question}]
        return reasoning_tokens(read({"model": "x", "messages": messages, **fields}, reasons=True), 0)

    seen = {tokens(f"question {number}") for number in range(50)}
    assert seen == {64 * steps for steps in range(1, 9)}
    assert tokens("q", reasoning_effort="xhigh") == 4 * tokens("q")


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    pieces = split(text)
    assert "".join(pieces) == text
    assert all(pieces)


@given(st.text(alphabet="ab 가나\n", max_size=60), st.integers(0, 20))
def test_within_finds_a_longest_beginning(text: str, tokens: int) -> None:
    cut = within(text, tokens, lambda part: len(part.split()))
    assert text.startswith(cut)
    assert len(cut.split()) <= tokens
    assert cut == text or len(text[: len(cut) + 1].split()) > tokens


@given(st.text(alphabet="abc", max_size=30), st.lists(st.text(alphabet="abc", min_size=1, max_size=3), max_size=4))
def test_before_stop_leaves_none_in(text: str, stop: list[str]) -> None:
    cut = before_stop(text, tuple(stop))
    assert text.startswith(cut)
    assert not any(one in cut for one in stop)
    assert cut == text or any(text.startswith(one, len(cut)) for one in stop)


def test_a_speed_can_be_part_of_the_name() -> None:
    assert models.find("sim-fast").tokens_per_second is None
    assert models.find("sim-fast@200").tokens_per_second == 200
    assert models.find("sim-slow@0").tokens_per_second == 0
    assert models.find("sim-slow").tokens_per_second == models.SLOW_TOKENS_PER_SECOND
    found = models.find("sim-fault-cut-12@7.5")
    assert found.fault is not None
    assert (found.tokens_per_second, found.fault.after_bytes) == (7.5, 12)
