"""A client that leaves before the head of its answer."""

import asyncio
from types import SimpleNamespace

import pytest

from talkmeter.conversation.gateway.passage import Passage
from talkmeter.conversation.gateway.waiting import Waiting
from talkmeter.errors import BadInput


class Call:
    def __init__(self):
        self.ends = []

    def cut(self):
        self.ends.append("cut")

    def end(self, kind):
        self.ends.append(kind)


async def waits(waiting, call):
    """As a request does: until it is cancelled, and whether that was ours."""
    waiting.for_answer(call)
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        if waiting.gave_up():
            return "gave up"
        raise
    finally:
        waiting.end()
    raise AssertionError


@pytest.mark.parametrize(("policy", "seconds"), [("cut", 60), ("drain", 0), ("drain", 0.01)])
async def test_the_call_is_cut(policy, seconds):
    waiting, call = Waiting(policy, seconds), Call()
    task = asyncio.create_task(waits(waiting, call))
    await asyncio.sleep(0)
    waiting.client_left()
    waiting.client_left()
    assert await task == "gave up"
    assert call.ends == ["cut"]
    assert task.cancelling() == 0


async def test_with_drain_there_is_time():
    waiting, call = Waiting("drain", 60), Call()
    task = asyncio.create_task(waits(waiting, call))
    await asyncio.sleep(0)
    waiting.client_left()
    await asyncio.sleep(0)
    assert not task.done()
    assert call.ends == []
    task.cancel()  # somebody else's word
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_has_left_is_not_sent_for():
    waiting, call = Waiting("drain", 60), Call()
    waiting.client_left()
    with pytest.raises(BadInput) as left:
        waiting.for_answer(call)
    assert left.value.code == "client_left"
    assert call.ends == ["not_reached"]
    with pytest.raises(BadInput):
        waiting.for_answer(None)
    waiting.end()


async def test_a_pause_ends_too():
    waiting = Waiting("cut", 60)
    task = asyncio.create_task(waits(waiting, None))
    await asyncio.sleep(0)
    waiting.client_left()
    assert await task == "gave up"


async def test_once_the_answer_is_there_nothing_is_cancelled():
    waiting, call = Waiting("cut", 60), Call()
    waiting.for_answer(call)
    waiting.over()
    waiting.client_left()
    assert call.ends == []
    assert not waiting.gave_up()


@pytest.mark.parametrize("disconnect", ["drain", "cut"])
async def test_a_client_that_cancels_is_never_waited_for(disconnect):
    """It is still there, and wants no more."""
    waiting, call = Waiting(disconnect, 60), Call()
    task = asyncio.create_task(waits(waiting, call))
    await asyncio.sleep(0)
    waiting.client_left(cut=True)
    assert await task == "gave up"
    assert call.ends == ["cut"]


def passage(call):
    gateway = SimpleNamespace(may_drain=lambda _: True)
    return Passage(gateway, call, SimpleNamespace(status=200, headers=()), "drain")


def test_an_answer_that_is_cancelled_is_cut_although_it_could_be_drained():
    call = SimpleNamespace(ended=False, tap=None, drained=False, cut=lambda: setattr(call, "ended", True))
    passage(call).client_left(cut=True)
    assert call.ended
    assert not call.drained


def test_a_refusal_has_no_answer_s_id():
    assert passage(SimpleNamespace(ended=False, tap=None)).answer_id is None
