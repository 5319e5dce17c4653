"""A model that is not there: which are, told with the error to whoever asks, and nothing where nobody knows."""

import asyncio
import threading

import pytest

from support.workspace import workspace
from talkmeter.accounts.principals import LOCAL_PRINCIPAL, Principal
from talkmeter.conversation import known_models
from talkmeter.conversation.known_models import MOST_NAMED, KnownModels, hints, listed
from talkmeter.conversation.talk_values import Talk
from talkmeter.messages import RoomSettings

UNKNOWN = {
    "code": "model_not_found",
    "message": "The provider answered 404: no such model",
    "message_ko": "제공자가 404 오류로 답했습니다: no such model",
    "status": 404,
    "retry_after": None,
}


def known(*names):
    async def models():
        return names

    return KnownModels(models)


def test_the_names_like_the_one_asked_for_stand_in_front_and_a_long_list_is_cut():
    assert listed(["b", "gpt-4o", "a"], "gpt4o") == "gpt-4o, b, a"
    many = [f"model-{number}" for number in range(MOST_NAMED + 1)]
    told = listed(many, "nothing like it").split(", ")
    assert told == [*many[:MOST_NAMED], "…"]
    assert "…" not in listed(many[:MOST_NAMED], "x")


def test_nothing_is_told_where_nothing_is_known():
    assert hints([], "x") == {}


async def test_names_are_compared_beside_the_event_loop(monkeypatch):
    """Thousands of them take as long as a hundred requests."""
    threads = []

    def close(asked, names, **_):
        threads.append(threading.current_thread())
        return []

    monkeypatch.setattr(known_models.difflib, "get_close_matches", close)
    await known("a").told(UNKNOWN, "x", LOCAL_PRINCIPAL)
    assert threads
    assert threading.main_thread() not in threads


async def test_an_error_about_something_else_stays_as_it_is():
    other = UNKNOWN | {"status": 500}
    assert await known("a").told(other, "x", LOCAL_PRINCIPAL) == other
    assert await known("a").told(None, "x", LOCAL_PRINCIPAL) is None
    assert await known("a").told(UNKNOWN, None, LOCAL_PRINCIPAL) == UNKNOWN | {
        "hint": "There are: a.",
        "hint_ko": "쓸 수 있는 모델: a.",
    }


async def test_providers_that_do_not_answer_hold_up_no_error(monkeypatch):
    monkeypatch.setattr(known_models, "LIST_SECONDS", 0.01)

    async def never():
        await asyncio.Event().wait()

    assert await KnownModels(never).told(UNKNOWN, "x", LOCAL_PRINCIPAL) == UNKNOWN


@pytest.mark.parametrize("models", [None, ("sim-f*", "gone")])
async def test_an_answer_says_which_models_its_asker_may_ask_for(tmp_path, models):
    async with workspace(tmp_path) as desk:
        principal = LOCAL_PRINCIPAL
        if models is not None:
            key, _ = await desk.keys.issue(user_id="owner", name="k", models=models)
            principal = Principal(user_id="owner", role="owner", key=key)
        talk = Talk(
            surface="ask",
            principal=principal,
            conversation_id="c",
            prompt="hi",
            options=RoomSettings(model="gone"),
        )
        started = await desk.talks.ask(talk)
        error = (await desk.talks.result(principal, started.run_id)).error
        assert error["status"] == 404
        assert error["hint"].startswith("There are: sim-fast, ")
        assert error["hint_ko"].startswith("쓸 수 있는 모델: sim-fast, ")
        assert ("sim-slow" in error["hint"]) is (models is None)
        kept = (await desk.talks.history(principal, "c")).messages[-1].error
        assert "hint" not in kept, "which there are is a matter of the moment"
