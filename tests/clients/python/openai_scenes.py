"""The official SDK for Python: what came is the same. How it is used otherwise: tests/gateway/test_openai_sdk.py."""

import json
import os
from typing import Any

import openai
from pydantic import BaseModel

TEXT = "하나 둘 셋, one two three"
MODEL = "gpt-4o-mini"
RAIN: list[Any] = [{"role": "user", "content": 'tool: weather {"city": "서울"}'}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER: Any = {"type": "function", "function": {"name": "weather", "parameters": PARAMETERS}}
client = openai.OpenAI(
    base_url=os.environ["TALKMETER_BASE_URL"], api_key=os.environ["TALKMETER_API_KEY"], max_retries=0, timeout=60
)


class Place(BaseModel):
    name: str
    people: int


def chat(**more: Any) -> Any:
    given = {"model": MODEL, "messages": [{"role": "user", "content": f"say: {TEXT}"}], **more}
    return client.chat.completions.create(**given)


def simulate(fault: str, **more: Any) -> dict[str, str]:
    return {"X-Simulate": json.dumps({"fault": fault, **more})}


def whole() -> Any:
    return chat(n=2).choices[1].message.content


def streams() -> Any:
    bare = list(chat(stream=True))
    told = list(chat(stream=True, stream_options={"include_usage": True}))
    assert [len(bare) + 1, told[-1].usage.completion_tokens > 0] == [len(told), True]
    return len(bare)


def a_thousand_events() -> Any:
    chunks = list(chat(messages=[{"role": "user", "content": "길게 8000"}], stream=True))
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)[-40:]


def odd_bytes() -> None:
    for fault in ("crlf", "split-utf8", "one-byte"):
        assert list(chat(stream=True, extra_headers=simulate(fault)))
    packed = {"X-Simulate": '{"gzip": true, "event_bytes": 100000}'}
    assert list(chat(stream=True, stream_options={"include_usage": True}, extra_headers=packed))


def tools() -> Any:
    message = chat(messages=RAIN, tools=[WEATHER]).choices[0].message
    result = {"role": "tool", "tool_call_id": message.tool_calls[0].id, "content": "21 °C"}
    return chat(messages=[*RAIN, message, result], tools=[WEATHER]).choices[0].message.content


def structured() -> Any:
    made = client.responses.parse(model=MODEL, input="a place", text_format=Place).output_parsed
    assert made is not None
    return made.model_dump()


def responses() -> Any:
    with client.responses.stream(model=MODEL, input=f"say: {TEXT}") as stream:
        kinds = [event.type for event in stream]
        answer = stream.get_final_response()
    assert answer.output_text == TEXT
    following = client.responses.create(model=MODEL, input="say: more", previous_response_id=answer.id)
    return kinds, following.output_text


def errors() -> Any:
    told = []
    for fault in ("400", "401", "403", "404", "409", "422", "429", "500"):
        try:
            chat(extra_headers=simulate(fault))
        except openai.APIStatusError as error:
            told.append((type(error).__name__, error.message))
    assert len(told) == 8
    return told


def retries() -> None:
    assert client.with_options(max_retries=3).chat.completions.create(
        model="sim-fast@900", messages=[{"role": "user", "content": f"say: {TEXT}"}]
    ).choices[0].message.content == TEXT  # fmt: skip


def leaving() -> Any:
    stream = chat(stream=True, extra_headers=simulate("hang-stream"))
    seen = []
    while len(seen) < 3:
        delta = next(stream).choices[0].delta.content
        seen += [delta] if delta else []
    stream.close()
    return seen


def time_out() -> str:
    try:
        chat(extra_headers=simulate("hang-headers"), timeout=1.5)
    except openai.APITimeoutError as error:
        return type(error).__name__
    raise AssertionError("no time-out")


def vectors_pictures_sounds() -> Any:
    vectors = client.embeddings.create(model="text-embedding-3-small", input=["하나", "둘"], dimensions=8)
    drawn = client.images.generate(model="gpt-image-1", prompt="a lighthouse", stream=True, partial_images=1)
    spoken = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT, response_format="wav")
    heard = client.audio.transcriptions.create(model="whisper-1", file=("a.wav", spoken.content))
    return [one.embedding for one in vectors.data], [event.type for event in drawn], heard.text


SCENES = (
    whole, streams, a_thousand_events, odd_bytes, tools, structured, responses, errors, retries, leaving, time_out,
    vectors_pictures_sounds,
)  # fmt: skip

if __name__ == "__main__":
    for scene in SCENES:
        print(json.dumps({"scene": scene.__name__, "told": scene()}, ensure_ascii=False), flush=True)
