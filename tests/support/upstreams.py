"""Calling an upstream and noting all that comes back; servers that say exactly what a test wants."""

import asyncio
from contextlib import asynccontextmanager

from talkmeter.completions import CompletionRequest, Head, UpstreamCall
from talkmeter.errors import TalkmeterError
from talkmeter.providers.openai_compatible import OpenAICompatible

CANARY = "sk-canary-0123456789abcdef"


class Result:
    """Everything that came before the end, and how it ended."""

    def __init__(self):
        self.head = None
        self.pieces = []
        self.error = None

    @property
    def body(self):
        return b"".join(self.pieces)


async def collect(provider, request):
    result = Result()
    try:
        async for part in provider.send(request):
            if isinstance(part, Head):
                assert result.head is None, "one head"
                result.head = part
            else:
                assert result.head is not None, "the head comes first"
                result.pieces.append(part.data)
    except TalkmeterError as error:
        result.error = error
    return result


async def read_out(answer):
    """The body as a whole, and the error it ended with."""
    body = b""
    try:
        while piece := await answer.read():
            body += piece
    except TalkmeterError as error:
        return body, error
    finally:
        answer.close()
    return body, None


def post(path="chat/completions", *headers, body=b"{}", method="POST", call_id="call_1", length=None):
    return UpstreamCall(call_id, method, path, headers, body, length)


def reply(data, then="close"):
    async def answer(_reader, writer, _request):
        writer.write(data)
        await writer.drain()
        return then

    return answer


def chat(model="sim-fast", text="hello", call_id="call_1", **more):
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, **more}
    return CompletionRequest(call_id, "chat/completions", body)


def provider_at(base_url, client, key=CANARY):
    return OpenAICompatible(id="p", name="P", base_url=base_url, key=key, client=client)


@asynccontextmanager
async def listening(serve, **options):
    """`serve(reader, writer)` has each connection to itself; all of them end with the test. Gives the base URL."""
    tasks, writers = set(), set()

    async def one(reader, writer):
        writers.add(writer)
        task = asyncio.create_task(serve(reader, writer))
        tasks.add(task)
        await asyncio.wait([task])

    server = await asyncio.start_server(one, "127.0.0.1", 0, **options)
    scheme = "https" if options.get("ssl") else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.transport.abort()
        for _ in range(3):
            await asyncio.sleep(0)
    expected = (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError)
    assert [error for error in results if error is not None and not isinstance(error, expected)] == []


class Scripted:
    """A server on a loopback port; `answer(reader, writer, request)` says what each request gets."""

    def __init__(self):
        self.requests = []
        self.connections = 0
        self.ended = 0
        self.base_url = ""

    @asynccontextmanager
    async def running(self, answer):
        async def serve(reader, writer):
            self.connections += 1
            try:
                while request := await _read_request(reader):
                    self.requests.append(request)
                    if await answer(reader, writer, request) == "close":
                        break
            except (ConnectionError, asyncio.IncompleteReadError):
                pass
            finally:
                self.ended += 1
                writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        try:
            yield self
        finally:
            server.close()


async def _read_request(reader):
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:] if line)}
    if headers.get("transfer-encoding") == "chunked":
        body = await _read_chunks(reader)
    else:
        body = await reader.readexactly(int(headers.get("content-length", 0)))
    return {"line": lines[0], "headers": headers, "body": body, "head": head}


async def _read_chunks(reader):
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    return body
