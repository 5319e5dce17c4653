"""The contract at the gRPC door: every fault, and the client gone at every event, on both services. Each call has one
settled entry with the right surface, and the sum is the simulator's bill.
"""

import asyncio

import grpc
import pytest

from support.grpc_house import grpc_house
from talkmeter.metering.meter import MeterLimits
from talkmeter.providers.client import Timeouts
from talkmeter.simulator.faults import fault_names

TEXT = "하나 둘 셋 넷 다섯"
QUESTION = f"say: {TEXT}"
EVENTS = 9  # of the simulator's stream for TEXT: role, five pieces of text, finish, usage, [DONE]
ASKS = ("chat.Chat/Ask", "talkmeter.v1.Conversations/Ask")
IMPATIENT = Timeouts(connect=20, headers=2, silence=2)  # for upstreams that hang
ENDLESS = MeterLimits(total_seconds=2.0)
WE_LEAVE = {"endless", "long-line"}  # what is on the way when we give up can be on the bill alone


def told(text, reply):
    """The text so far, with a reply; an event's piece may begin before its end."""
    if hasattr(reply, "response"):
        return text + reply.response
    delta = reply.event.delta
    return text[: delta.offset] + delta.text if reply.event.HasField("delta") else text


async def to_its_end(call):
    """The status that it ends with, and the text without an end mark."""
    text = ""
    try:
        while (reply := await call.read()) is not grpc.aio.EOF:
            text = told(text, reply)
    except grpc.aio.AioRpcError as error:
        return error.code(), text
    return grpc.StatusCode.OK, text.partition("<|end|>")[0]


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("fault", fault_names())
async def test_every_fault(tmp_path, fault, ask):
    timeouts, limits = IMPATIENT if "hang" in fault else None, ENDLESS if fault == "endless" else None
    async with grpc_house(tmp_path, timeouts=timeouts, meter_limits=limits) as house:
        more = {"model": f"sim-fault-{fault}"}
        fields = more if ask.startswith("chat") else {"options": more}
        code, text = await to_its_end(house.client().call(ask, prompt=QUESTION, conversation_id="c", **fields))
        (entry,) = await house.check_books(at_most=fault in WE_LEAVE, unknown=True)
        assert (code is grpc.StatusCode.OK) == (entry["outcome"] == "finished")
        assert code not in (grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL)
        history = await house.client().call("talkmeter.v1.Conversations/GetHistory", conversation_id="c")
        assert history.messages[0].text == QUESTION
        assert history.messages[1].text == text


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("steps", range(EVENTS + 1))
async def test_the_client_goes_at_each_event_and_the_answer_goes_on(tmp_path, steps, ask):
    async with grpc_house(tmp_path) as house:
        call = await held(house, ask, steps)
        call.cancel()
        await house.desk.simulator.step(1000)
        (entry,) = await house.check_books()
        assert (entry["outcome"], entry["provenance"]) == ("finished", "reported")
        history = await house.client().call("talkmeter.v1.Conversations/GetHistory", conversation_id="c")
        assert history.messages[1].text == TEXT


@pytest.mark.parametrize(
    ("how", "steps"),
    [*(("leaves", steps) for steps in range(1, EVENTS + 1)), *(("deadline", steps) for steps in (1, 4, 8))],
)
async def test_the_client_goes_at_each_event_and_that_cuts(tmp_path, steps, how):
    """By its key's policy, or because its own deadline has passed. Before the first event nobody can tell whether the
    upstream has begun.
    """
    async with grpc_house(tmp_path) as house:
        _, token = await house.desk.keys.issue(user_id="owner", name="key", disconnect="cut")
        metadata = (("x-api-key", token),) if how == "leaves" else None
        call = await held(house, ASKS[0], steps, metadata=metadata, timeout=None if how == "leaves" else 10)
        if how == "leaves":
            call.cancel()
        code, _ = await left(call)
        await house.idle()
        await house.desk.simulator.step(1000, wait=0.1)
        (entry,) = await house.check_books(at_most=True)
        if steps < EVENTS:
            expected = grpc.StatusCode.CANCELLED if how == "leaves" else grpc.StatusCode.DEADLINE_EXCEEDED
            assert code is expected
            assert entry["outcome"] == "stopped"
        assert entry["provenance"] in ("counted", "reported")


@pytest.mark.parametrize("mode", [1, 2])
@pytest.mark.parametrize("steps", range(1, EVENTS + 1))
async def test_stopped_at_each_event(tmp_path, steps, mode):
    async with grpc_house(tmp_path) as house:
        call = await held(house, ASKS[0], steps)
        run_id = dict(await call.initial_metadata())["x-run-id"]
        await house.client().call("talkmeter.v1.Conversations/Stop", run_id=run_id, mode=mode)
        await house.desk.simulator.step(1000, wait=0.2)
        code, text = await to_its_end(call)
        assert code is grpc.StatusCode.OK
        assert TEXT.startswith(text)
        await house.check_books(at_most=mode == 2)


@pytest.mark.parametrize("steps", range(1, EVENTS))
async def test_the_first_clients_second_asking_at_each_event(tmp_path, steps):
    """The connection breaks there; what is asked again is one answer, billed once."""
    async with grpc_house(tmp_path) as house:
        call = await held(house, ASKS[0], steps)
        call.cancel()
        async with asyncio.timeout(60):
            while house.server._answering:
                await asyncio.sleep(0.005)
        again = house.client().call(ASKS[0], prompt=QUESTION, conversation_id="c")
        await again.initial_metadata()
        await house.desk.simulator.step(1000)
        assert await to_its_end(again) == (grpc.StatusCode.OK, TEXT)
        assert len(await house.check_books()) == 1


async def held(house, ask, steps, **more):
    """A call whose answer has come so far, and which has told its client as much."""
    house.desk.simulator.script({"gate": True})
    call = house.client().call(ask, prompt=QUESTION, conversation_id="c", **more)
    await call.initial_metadata()
    if steps:
        await house.desk.simulator.step(steps)
    (row,) = house.bill().values() or [{"sent_text": 0}]
    text = ""
    while len(text) < row["sent_text"]:
        text = told(text, await call.read())
    return call


async def left(call):
    try:
        return await to_its_end(call)
    except asyncio.CancelledError:  # as grpc.aio says to whoever has cancelled a call
        return grpc.StatusCode.CANCELLED, ""
