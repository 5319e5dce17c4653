"""Server-sent events over real sockets: heartbeats, readers that leave, readers that are slow, errors before the head."""

import asyncio
import json

from hypothesis import given
from hypothesis import strategies as st

from support.web_client import Serve, close, read_answer
from support.web_house import House, parse_events
from talkmeter.errors import NotFound
from talkmeter.event_stream import EventStream, encode_event
from talkmeter.surfaces.web.guard import GuardLimits
from talkmeter.surfaces.web.limits import Gate, GateLimits

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def streaming(pieces, **options):
    """An application that streams `pieces()` to everybody, behind the gate."""

    async def app(scope, receive, send) -> None:
        await EventStream(pieces(), **options)(scope, receive, send)

    return Gate(app, GateLimits())


async def test_pieces_come_one_by_one_and_the_answer_ends_cleanly(serve: Serve):
    async def pieces():
        yield encode_event(1, "started", {"a": 1})
        await asyncio.sleep(0)
        yield encode_event(2, "finished", {})

    served = await serve(streaming(pieces))
    answer = await served.raw(GET)
    assert answer is not None
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body == b'id: 1\nevent: started\ndata: {"a":1}\n\nid: 2\nevent: finished\ndata: {}\n\n'


async def test_a_silent_line_is_kept_open_by_comments(serve: Serve):
    go = asyncio.Event()

    async def pieces():
        yield encode_event(1, "started", {})
        await go.wait()
        yield encode_event(2, "finished", {})

    served = await serve(streaming(pieces, heartbeat_seconds=0.05))
    reader, writer = await served.open()
    writer.write(GET)
    async with asyncio.timeout(60):
        for _ in range(3):
            await reader.readuntil(b":\n\n")
        go.set()
        rest = await reader.readuntil(b"event: finished")
    assert rest
    await close(writer)


async def test_what_is_missing_is_a_404_before_anything_is_sent(serve: Serve):
    async def pieces():
        raise NotFound("No run", "실행이 없습니다", code="run_not_found")
        yield b""

    answer = await (await serve(streaming(pieces))).raw(GET)
    assert answer is not None
    assert (answer.status, answer.code) == (404, "run_not_found")


async def test_an_error_in_the_middle_breaks_the_line_off(serve: Serve):
    async def pieces():
        yield encode_event(1, "started", {})
        await asyncio.sleep(0)
        raise RuntimeError("broken")

    served = await serve(streaming(pieces))
    reader, writer = await served.open()
    writer.write(GET)
    async with asyncio.timeout(60):
        everything = await reader.read()
    assert b"event: started" in everything
    assert not everything.endswith(b"0\r\n\r\n"), "a broken answer must not look complete"
    await close(writer)


async def test_leaving_ends_the_following_at_once(serve: Serve):
    ended = asyncio.Event()

    async def pieces():
        try:
            yield encode_event(1, "started", {})
            await asyncio.Event().wait()
        finally:
            ended.set()

    served = await serve(streaming(pieces))
    reader, writer = await served.open()
    writer.write(GET)
    await reader.readuntil(b"started")
    await close(writer)
    async with asyncio.timeout(60):
        await ended.wait()


async def test_a_slow_reader_is_waited_for_not_buffered_for(serve: Serve):
    made = 0

    async def pieces():
        nonlocal made
        for number in range(1, 20_001):
            made = number
            yield encode_event(number, "delta", {"text": "x" * 1000})

    served = await serve(streaming(pieces), GuardLimits(write_stall_seconds=30))
    reader, writer = await served.open()
    writer.write(GET)
    await reader.readuntil(b"id: 1\n")
    await asyncio.sleep(0.3)
    assert made < 20_000, "20 MB would have been buffered"
    answer = b""
    async with asyncio.timeout(60):
        while b"id: 20000\n" not in answer[-4000:]:
            answer = answer[-4000:] + await reader.read(1 << 20)
    await close(writer)


async def test_head_does_not_follow(serve: Serve):
    async def pieces():
        await asyncio.Event().wait()
        yield b""

    served = await serve(streaming(pieces))
    reader, writer = await served.open()
    writer.write(b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    answer = await read_answer(reader, head=True)
    assert answer is not None
    assert answer.status == 200
    await close(writer)


async def test_two_tabs_see_the_same_answer(open_house):
    house: House = await open_house()
    asked = await house.ask("For both of us", room={"model": "sim-fast@300"})
    both = await asyncio.gather(house.events(asked["run_id"]), house.events(asked["run_id"]))
    ends = [events[-1] for events in both]
    assert ends[0] == ends[1]
    for events in both:
        text = ""
        for event in events:
            if event.kind == "delta":
                text = text[: event.data["offset"]] + event.data["text"]
        assert text == ends[0].data["answer"]["text"]


async def test_deleting_the_room_ends_the_following(open_house):
    house: House = await open_house()
    step = await house.gate()
    asked = await house.ask("Delete me")
    await step(3)
    reader, writer = await house.served.open()
    head = f"GET /api/runs/{asked['run_id']}/events HTTP/1.1\r\nHost: {house.served.host}\r\nCookie: {house.cookie}\r\n"
    writer.write(f"{head}Connection: close\r\n\r\n".encode())
    async with asyncio.timeout(60):
        await reader.readuntil(b"event: delta")
        assert (await house.send("DELETE", f"/api/rooms/{asked['room']['id']}")).status == 204
        rest = await reader.read()
    assert rest.endswith(b"0\r\n\r\n"), "it ended as it should"
    assert b"event: finished" not in rest
    await close(writer)


@given(st.integers(1, 10**9), st.dictionaries(st.text(max_size=5), st.text(max_size=50), max_size=3))
def test_any_data_is_one_event(seq: int, data: dict[str, str]):
    raw = encode_event(seq, "delta", data)
    events = parse_events(raw)
    assert len(events) == 1
    assert (events[0].id, events[0].kind, events[0].data) == (seq, "delta", data)
    assert raw.count(b"\n") == 4
    assert json.loads(raw.split(b"data: ", 1)[1]) == data
