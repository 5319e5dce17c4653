"""The fake upstream, a process of its own: `python -m gateways.upstream` prints its port and answers until it is ended.

POST to any path is a chat request. GET /_set?events=100&pace_ms=20 says what streams look like (pace 0: as fast as they
are read), GET /_bill gives what has been charged since the last one. One thread around epoll: an event is in the kernel
when the next begins, so the time in it is the time it was sent.
"""

import json
import select
import socket
import sys
import time
from collections import Counter, deque
from urllib.parse import parse_qsl, urlsplit

import httptools

from gateways import words

HEADERS = (
    b"openai-processing-ms: 12\r\nx-request-id: req_bench000000000000000000000000\r\n"
    b"x-ratelimit-limit-requests: 30000\r\nx-ratelimit-remaining-requests: 29999\r\n"
    b"x-ratelimit-limit-tokens: 150000000\r\nx-ratelimit-remaining-tokens: 149999000\r\n\r\n"
)
OK = b"HTTP/1.1 200 OK\r\ncontent-type: "
LATE_NS = 50_000_000


class Upstream:
    def __init__(self, listening: socket.socket) -> None:
        self.listening = listening
        self.epoll = select.epoll()
        self.epoll.register(listening, select.EPOLLIN)
        self.open: dict[int, Connection] = {}
        self.events, self.pace_ns = 100, 0
        self.calls = self.late = 0
        self.bill: Counter[tuple[int, int]] = Counter()
        self.paced: deque[Connection] = deque()  # ordered by when the next event is due, as all have one pace
        self.flood: deque[Connection] = deque()

    def run(self) -> None:
        while True:
            for number, what in self.epoll.poll(self._patience()):
                if number == self.listening.fileno():
                    self._accept()
                elif (connection := self.open.get(number)) is not None:
                    connection.ready(what)
            self._send_due()
            for _ in range(len(self.flood)):
                connection = self.flood.popleft()
                if connection.send_event():
                    self.flood.append(connection)

    def _patience(self) -> float:
        if any(not connection.waiting for connection in self.flood):
            return 0
        if not self.paced:
            return 1.0
        return max(0.0, (self.paced[0].due_ns - time.monotonic_ns()) / 1e9)

    def _send_due(self) -> None:
        now = time.monotonic_ns()
        while self.paced and self.paced[0].due_ns <= now:
            connection = self.paced.popleft()
            self.late += now - connection.due_ns > LATE_NS
            if connection.send_event():
                connection.due_ns += self.pace_ns
                self.paced.append(connection)
            now = time.monotonic_ns()

    def _accept(self) -> None:
        accepted, _ = self.listening.accept()
        accepted.setblocking(False)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.open[accepted.fileno()] = Connection(self, accepted)
        self.epoll.register(accepted, select.EPOLLIN)

    def told(self, path: str) -> bytes:
        asked = urlsplit(path)
        said: dict[str, object] = {}
        if asked.path == "/_set":
            settings = {name: float(value) for name, value in parse_qsl(asked.query)}
            self.events, self.pace_ns = int(settings["events"]), int(settings["pace_ms"] * 1e6)
        if asked.path == "/_bill":
            said = {"bill": [[*pair, times] for pair, times in self.bill.items()], "late": self.late}
            self.bill.clear()
            self.late = 0
        return json.dumps(said).encode()


class Connection:
    """One connection of a gateway: requests are read by httptools, which calls the on_… methods."""

    def __init__(self, upstream: Upstream, open_: socket.socket) -> None:
        self.upstream, self.socket = upstream, open_
        self.parser = httptools.HttpRequestParser(self)
        self.path, self.body = b"", b""
        self.waiting = b""  # what the kernel would not take yet
        self.closed = False
        self.due_ns = self.sent = self.of = 0
        self.usage = (0, 0)

    def ready(self, what: int) -> None:
        if what & select.EPOLLOUT:
            self._watch(select.EPOLLIN)
            left, self.waiting = self.waiting, b""
            self._send(left)
        if what & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR):
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if data:
                self.parser.feed_data(data)
            else:
                self._close()

    def on_url(self, url: bytes) -> None:
        self.path, self.body = url, b""

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.parser.get_method() == b"GET":
            said = self.upstream.told(self.path.decode())
            self._send(b"%bapplication/json\r\ncontent-length: %d\r\n\r\n%b" % (OK, len(said), said))
            return
        self.usage = words.usage(self.upstream.calls)
        self.upstream.calls += 1
        if b'"stream":true' in self.body or b'"stream": true' in self.body:
            self._begin_stream()
            return
        said = answer(*self.usage)
        self.upstream.bill[self.usage] += 1
        self._send(b"%bapplication/json\r\ncontent-length: %d\r\n%b%b" % (OK, len(said), HEADERS, said))

    def _begin_stream(self) -> None:
        kind = b"text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n"
        self._send(b"%b%b%b%b" % (OK, kind, HEADERS, chunked(words.OPENING)))
        self.sent, self.of = 0, self.upstream.events
        self.due_ns = time.monotonic_ns()
        (self.upstream.paced if self.upstream.pace_ns else self.upstream.flood).append(self)

    def send_event(self) -> bool:
        """Whether there is more to come. A flood waits for the reader; what is paced is piled up."""
        if self.closed:
            return False
        if self.waiting and not self.upstream.pace_ns:
            return True
        if self.sent < self.of:
            self._send(chunked(words.event(self.sent, time.monotonic_ns())))
            self.sent += 1
            return True
        self.upstream.bill[self.usage] += 1
        self._send(chunked(words.ending(*self.usage)) + b"0\r\n\r\n")
        return False

    def _send(self, data: bytes) -> None:
        if self.closed:
            return
        if self.waiting:
            self.waiting += data
            return
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._close()
            return
        if sent < len(data):
            self.waiting = data[sent:]
            self._watch(select.EPOLLIN | select.EPOLLOUT)

    def _watch(self, what: int) -> None:
        self.upstream.epoll.modify(self.socket, what)

    def _close(self) -> None:
        if not self.closed:
            self.closed = True
            del self.upstream.open[self.socket.fileno()]
            self.upstream.epoll.unregister(self.socket)
            self.socket.close()


_answers: dict[tuple[int, int], bytes] = {}


def answer(prompt: int, completion: int) -> bytes:
    """Made once for each pair of figures."""
    if (made := _answers.get((prompt, completion))) is None:
        made = _answers[prompt, completion] = words.answer(prompt, completion)
    return made


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def main() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listening:
        sys.stdout.write(f"port {listening.getsockname()[1]}\n")
        sys.stdout.flush()
        Upstream(listening).run()


if __name__ == "__main__":
    main()
