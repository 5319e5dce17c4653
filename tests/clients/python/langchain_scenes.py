"""LangChain's ChatOpenAI, by chat completions and by responses, and its embeddings. See ../node/scenes.mjs."""

import asyncio
import json
import os
from collections.abc import Callable
from typing import Any

import openai
from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

TEXT = "하나 둘 셋, one two three"
PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SERVER = {"base_url": os.environ["TALKMETER_BASE_URL"], "api_key": os.environ["TALKMETER_API_KEY"], "max_retries": 0}
RAIN = 'tool: weather {"city": "서울"}'


class Place(BaseModel):
    """A place."""

    name: str
    people: int


@tool
def weather(city: str) -> str:
    """The weather in a city."""
    return f"21 °C, {city}"


def model(**more: Any) -> ChatOpenAI:
    return ChatOpenAI(**{"model": "gpt-4o-mini", "timeout": 60, **SERVER, **more})


def simulate(**fault: Any) -> dict[str, Any]:
    return {"default_headers": {"X-Simulate": json.dumps(fault)}}


def text(more: dict[str, Any]) -> Any:
    answer = model(**more).invoke(f"say: {TEXT}")
    assert answer.text == TEXT
    return answer.usage_metadata


def stream(more: dict[str, Any]) -> Any:
    told = []
    for usage in (False, True):
        chunks = list(model(**more, stream_usage=usage).stream(f"say: {TEXT}"))
        assert "".join(chunk.text for chunk in chunks) == TEXT
        figures = [chunk.usage_metadata for chunk in chunks if chunk.usage_metadata]
        assert figures or not usage
        told.append([len(chunks), figures])
    return told


def tools(more: dict[str, Any]) -> Any:
    able = model(**more).bind_tools([weather])
    asked = HumanMessage(RAIN)
    answer = able.invoke([asked])
    (call,) = answer.tool_calls
    assert (call["name"], call["args"]) == ("weather", {"city": "서울"})
    result = weather.invoke(call)
    assert isinstance(result, ToolMessage)
    return able.invoke([asked, answer, result]).text


def structured(more: dict[str, Any]) -> Any:
    told = []
    for method in ("json_schema", "function_calling"):
        made = model(**more).with_structured_output(Place, method=method).invoke("a place")
        assert isinstance(made, Place)
        told.append(made.model_dump())
    return told


def vision(more: dict[str, Any]) -> Any:
    picture = {"type": "image", "base64": PNG, "mime_type": "image/png"}
    return model(**more).invoke([HumanMessage([{"type": "text", "text": "what is it?"}, picture])]).text


def errors(more: dict[str, Any]) -> Any:
    told = []
    for status in ("400", "401", "404", "429", "503"):
        try:
            model(**more, **simulate(fault=status)).invoke("hello")
        except openai.APIStatusError as error:
            told.append([type(error).__name__, error.status_code, error.message])
    assert len(told) == 5
    return told


def time_out(more: dict[str, Any]) -> Any:
    try:
        model(**more, **simulate(fault="hang-headers"), timeout=1.5).invoke("hello")
    except openai.APITimeoutError as error:
        return type(error).__name__
    raise AssertionError("no time-out")


def leaving(more: dict[str, Any]) -> Any:
    """Cancelled with the third piece of the text, after which nothing more comes."""
    after = 5 if more else 3

    async def read(seen: list[str]) -> None:
        answering = model(**more, **simulate(fault="hang-stream", after_events=after)).astream(f"say: {TEXT}")
        async for chunk in answering:
            seen += [chunk.text] if chunk.text else []

    async def leave() -> list[str]:
        seen: list[str] = []
        reading = asyncio.create_task(read(seen))
        async with asyncio.timeout(60):
            while len(seen) < 3:
                await asyncio.sleep(0.01)
        reading.cancel()
        await asyncio.wait([reading])
        return seen

    return asyncio.run(leave())


def many_at_once(more: dict[str, Any]) -> Any:
    answers = model(**more).batch([f"say: {number}" for number in range(8)])
    assert [answer.text for answer in answers] == [str(number) for number in range(8)]


def retries() -> None:
    assert model(model="sim-fast@900", max_retries=3).invoke(f"say: {TEXT}").text == TEXT


def embeddings() -> Any:
    made = OpenAIEmbeddings(
        model="text-embedding-3-small", dimensions=8, check_embedding_ctx_length=False, **SERVER
    ).embed_documents(["하나", "둘"])
    assert [len(one) for one in made] == [8, 8]
    return made


def follow_up() -> None:
    """A conversation that the provider remembers."""
    chat = model(use_responses_api=True, use_previous_response_id=True)
    asked = HumanMessage(f"say: {TEXT}")
    answer = chat.invoke([asked])
    assert chat.invoke([asked, answer, HumanMessage("say: more")]).text == "more"


SCENES: tuple[Callable[[dict[str, Any]], Any], ...] = (
    text, stream, tools, structured, vision, errors, time_out, leaving, many_at_once,
)  # fmt: skip


def main() -> None:
    for dialect, more in (("chat", {}), ("responses", {"use_responses_api": True})):
        for scene in SCENES:
            tell(f"{dialect}: {scene.__name__}", scene(more))
    for alone in (retries, embeddings, follow_up):
        tell(alone.__name__, alone())


def tell(scene: str, told: Any) -> None:
    print(json.dumps({"scene": scene, "told": told}, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
