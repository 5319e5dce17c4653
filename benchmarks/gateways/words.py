"""What is asked and answered: a chat request of 2 kB, half Korean; an answer of 1 kB; the events of a stream.

Each event carries its number and the nanosecond in which it was sent, so that whoever reads the stream can tell what is
missing and how long each event was under way. Figures of usage differ from call to call.
"""

import json

MODEL = "gpt-4o-mini"
SERVED = "gpt-4o-mini-2024-07-18"
CREATED = 1_780_000_000
TALK = """
우리 동아리 여섯 명이 한 계정을 같이 씁니다. 누가 어느 방에서 얼마를 썼는지 매주 한 번 정산하고
싶은데, 글자 수가 아니라 토큰으로 나누어야 한다고 들었습니다. 한국어 문장 하나가 대략 몇 토큰인지
예를 들어 설명해 주세요.

Tokens are pieces of words. A Korean sentence of forty characters is some twenty to thirty of them; the same
thought in English often takes fifteen. What was said before is sent again with each question, so a long room
costs more.

그러면 방을 새로 열면 싸지나요? 앞의 이야기를 요약해서 첫 질문에 붙이는 방법과, 마지막 다섯 개의
메시지만 보내는 방법 가운데 어느 쪽이 더 나은지도 비교해 주세요. 표로 보여 주시면 좋겠습니다.

Both help. A summary costs one call and loses details; a window costs nothing and forgets what lies before it.
Try the window first: it is predictable, and one sees on the bill what it saves. Summaries pay off in rooms
that live long.

Now put it in figures, please: forty questions a day for each of the six, about ninety tokens each, answers of
three hundred, a window of five messages, with today's prices of the small model. What is the week, what is
the month, and who pays if one of us pastes a whole book? 마지막으로, 한 달 예산을 2만 원으로 정해 두면
언제쯤 멈추게 되는지, 그리고 멈춘 뒤에 급한 사람은 어떻게 하면 되는지도 알려 주세요.

한 사람이 하루에 마흔 번 묻는다면 한 주에 이백팔십 번입니다. In figures: ninety tokens of question and three
hundred of answer, and with a window of five messages about nine hundred of history. 여섯 명이면 한 주에
천육백팔십 번, 그 값은 작은 모델로 한 끼 밥값보다 적습니다. A whole book is what a budget is for: it is refused
before it is sent.
"""
*QUESTIONS, ANSWER = (" ".join(part.split()) for part in TALK.split("\n\n"))
PIECE = " 토큰은 낱말의 조각입니다"


def question(model: str, *, stream: bool) -> bytes:
    roles = ("user", "assistant") * len(QUESTIONS)
    asked = {
        "model": model,
        "messages": [
            {
                "role": "system",
                "content": "You help a small club keep its accounts. Answer in the question's language.",
            },
            *({"role": role, "content": text} for role, text in zip(roles, QUESTIONS, strict=False)),
        ],
        "temperature": 0.6,
        "max_tokens": 600,
    }
    if stream:
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return json.dumps(asked, ensure_ascii=False).encode()


def usage(call: int) -> tuple[int, int]:
    """Prompt and completion tokens of the so-manieth call: always three digits, 1,763 different pairs."""
    return 480 + call % 41, 200 + call % 43


def _usage_json(prompt: int, completion: int) -> dict[str, object]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def answer(prompt: int, completion: int) -> bytes:
    said = {"role": "assistant", "content": ANSWER, "refusal": None, "annotations": []}
    whole = {
        "id": "chatcmpl-Bench0000000000000000000000",
        "object": "chat.completion",
        "created": CREATED,
        "model": SERVED,
        "choices": [{"index": 0, "message": said, "logprobs": None, "finish_reason": "stop"}],
        "usage": _usage_json(prompt, completion),
        "service_tier": "default",
        "system_fingerprint": "fp_bench00000",
    }
    return json.dumps(whole, ensure_ascii=False).encode()


def _chunk(**fields: object) -> bytes:
    whole = {
        "id": "chatcmpl-Bench0000000000000000000000",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": SERVED,
        "service_tier": "default",
        "system_fingerprint": "fp_bench00000",
        **fields,
    }
    return b"data: " + json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _delta(finish: str | None = None, **delta: object) -> bytes:
    return _chunk(choices=[{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}], usage=None)


OPENING = _delta(role="assistant", content="", refusal=None)
BEFORE, AFTER = _delta(content="<mark>" + PIECE).split(b"<mark>")
FINISH = _delta("stop")
DONE = b"data: [DONE]\n\n"


def event(number: int, sent_ns: int) -> bytes:
    return b"%b@%d#%d@%b" % (BEFORE, number, sent_ns, AFTER)


def ending(prompt: int, completion: int) -> bytes:
    """Finish, usage and the end mark."""
    return FINISH + _chunk(choices=[], usage=_usage_json(prompt, completion)) + DONE
