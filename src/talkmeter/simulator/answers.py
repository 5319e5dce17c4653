"""Choosing what to answer: by the last question, the model and the seed. Pure."""

import itertools
import re
import zlib
from typing import Any

import msgspec

from talkmeter.simulator.asked import Asked
from talkmeter.simulator.models import SimModel
from talkmeter.simulator.schemas import value_for
from talkmeter.simulator.texts import Texts

LONGEST = 2_000_000  # characters of a `long N` answer
_HANGUL = re.compile(r"[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_SAY = re.compile(r"\s*say:[^\S\n]?(?P<text>.*)", re.IGNORECASE | re.DOTALL)
_LONG = re.compile(r"(?:\blong|길게|긴 글)\s+(?P<characters>\d[\d,]*)", re.IGNORECASE)
_TOUR = re.compile(r"\bmarkdown\b|마크다운", re.IGNORECASE)
_IN_ENGLISH = re.compile(r"\bin english\b|영어로", re.IGNORECASE)
_IN_KOREAN = re.compile(r"\b(?:in )?korean\b", re.IGNORECASE)
_TOPICS = {
    "table": r"\btables?\b|(?:^|\s)표(?:로|를|가|는|만|도|\b)",
    "code": r"\b(?:code|function|program|script)\b|코드|함수|프로그램",
    "math": r"\b(?:math|maths|formula|equation|derivation|katex|latex)\b|수식|공식|방정식|유도",
    "list": r"\b(?:list|steps|checklist)\b|목록|나열|단계별",
    "link": r"\b(?:links?|picture|url)\b|링크|그림",
    "html": r"\bhtml\b",
}
_TOPIC_PATTERNS = {topic: re.compile(pattern, re.IGNORECASE) for topic, pattern in _TOPICS.items()}
_QUOTED = 80  # characters of the question that an opening repeats
# Shares of the reasoning a question gets; what a model does without being told is `medium`.
_EFFORTS = {"none": 0.0, "minimal": 0.0, "low": 0.25, "medium": 1.0, "high": 2.0, "xhigh": 4.0}
_REASONING_STEP = 64  # tokens


def answer_text(asked: Asked, model: SimModel, seed: int) -> str:
    """The whole answer, the same for the same question, model and seed."""
    question, images = last_question(asked.messages)
    if say := _SAY.fullmatch(question):
        return say["text"]
    texts = _texts(question, model)
    if long := _LONG.search(question):
        return long_text(texts, min(int(long["characters"].replace(",", "")), LONGEST))
    if (wanted := asked.body.get("response_format") or {}).get("type") in ("json_object", "json_schema"):
        return _json(question, texts, (wanted.get("json_schema") or {}).get("schema"))
    if model.name == "sim-markdown" or _TOUR.search(question):
        return "\n\n".join([*texts.sections.values(), texts.disclaimer])
    topics = [topic for topic, pattern in _TOPIC_PATTERNS.items() if pattern.search(question)]
    if images:
        return "\n\n".join([texts.images.format(count=images), texts.disclaimer])
    if topics:
        return "\n\n".join([*(texts.sections[topic] for topic in topics), texts.disclaimer])
    return _plain(question, texts, seed)


def reasoning_tokens(asked: Asked, seed: int) -> int:
    """Hidden reasoning for this question: a multiple of 64, more for a higher `reasoning_effort`."""
    question, _ = last_question(asked.messages)
    steps = 1 + _choice(question, seed + 1, 8)
    effort = _EFFORTS.get(asked.body.get("reasoning_effort") or "medium", 1.0)
    return int(steps * effort * _REASONING_STEP)


def last_question(messages: list[dict[str, Any]]) -> tuple[str, int]:
    """The text of the last user message and how many images are in it."""
    content = next((one.get("content") for one in reversed(messages) if one["role"] == "user"), "")
    if isinstance(content, str):
        return content, 0
    parts = content or []
    text = "\n".join(part["text"] for part in parts if part["type"] == "text")
    return text, sum(part["type"] == "image_url" for part in parts)


def long_text(texts: Texts, characters: int) -> str:
    """Markdown of exactly so many characters: chapters with prose, lists, tables, code and formulas."""
    blocks: list[str] = []
    room = characters
    for block in _blocks(texts):
        if len(block) + 2 > room:
            break
        blocks.append(block + "\n\n")
        room -= len(block) + 2
    filling = " ".join(texts.prose)
    return "".join(blocks) + (filling * (room // len(filling) + 1))[:room]


def _blocks(texts: Texts) -> "itertools.chain[str]":
    sections = [texts.sections[topic] for topic in ("list", "code", "table", "math", "quote")]

    def chapter(number: int) -> list[str]:
        start = number % len(texts.prose)
        turned = texts.prose[start:] + texts.prose[:start]
        prose = [" ".join(turned[:5]), " ".join(turned[5:])]
        return [texts.heading.format(number=number), *prose, sections[number % len(sections)]]

    return itertools.chain.from_iterable(chapter(number) for number in itertools.count(1))


def _texts(question: str, model: SimModel) -> Texts:
    korean = model.name == "sim-korean" or (model.fault is not None and model.fault.is_any("split-utf8"))
    if not korean and not _IN_ENGLISH.search(question):
        korean = bool(_HANGUL.search(question) or _IN_KOREAN.search(question))
    # Only what is said needs to be in memory.
    if korean:
        from talkmeter.simulator.texts_ko import TEXTS as KOREAN

        return KOREAN
    from talkmeter.simulator.texts_en import TEXTS as ENGLISH

    return ENGLISH


def _plain(question: str, texts: Texts, seed: int) -> str:
    quoted = " ".join(question.split())
    if len(quoted) > _QUOTED:
        quoted = quoted[: _QUOTED - 1] + "…"
    body = texts.bodies[_choice(question, seed, len(texts.bodies))]
    if not quoted:
        return f"{body}\n\n{texts.disclaimer}"
    opening = texts.openings[_choice(question, seed + 2, len(texts.openings))].replace("{question}", quoted)
    return f"{opening}\n\n{body}\n\n{texts.disclaimer}"


def _json(question: str, texts: Texts, schema: Any) -> str:
    if isinstance(schema, dict):
        return msgspec.json.encode(value_for(schema, question[:_QUOTED])).decode()
    value = {"question": question[:_QUOTED], "answer": texts.json_note, "simulated": True}
    return msgspec.json.encode(value).decode()


def _choice(question: str, seed: int, possibilities: int) -> int:
    return zlib.crc32(f"{seed}:{question}".encode("utf-8", "surrogatepass")) % possibilities
