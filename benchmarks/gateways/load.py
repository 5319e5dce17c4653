"""The load, a process of its own: `python -m gateways.load '{…}'` prints what it saw as JSON.

Every answer is checked. One thread around epoll, connections kept alive; `seconds` is how long new requests are begun
(each connection makes at least one), `spread` over how many seconds the connections begin.
"""

import json
import select
import socket
import sys
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

import httptools

from gateways.checking import USAGE, StreamCheck, percentile


@dataclass
class Load:
    """What is to be done, and what was seen. events 0: plain requests."""

    port: int
    path: str
    headers: list[str]
    body: str
    connections: int = 1
    events: int = 0
    seconds: float = 1.0
    spread: float = 0.0
    patience: float = 15.0  # after `seconds`, for answers under way
    done: int = 0
    seen: int = 0
    problems: Counter[str] = field(default_factory=Counter)
    whole: array = field(default_factory=lambda: array("q"))  # ns of each request
    first: array = field(default_factory=lambda: array("q"))  # ns to the first event of each stream
    lengths: array = field(default_factory=lambda: array("q"))  # ns from the first to the last event
    delays: array = field(default_factory=lambda: array("q"))  # ns of each event

    def request(self) -> bytes:
        body = self.body.encode()
        lines = [f"POST {self.path} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", "Content-Type: application/json"]
        lines += [*self.headers, f"Content-Length: {len(body)}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """One connection, one request at a time; httptools calls the on_… methods."""

    def __init__(self, load: Load, request: bytes) -> None:
        self.load, self.request = load, request
        self.socket = socket.create_connection(("127.0.0.1", load.port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.busy = False
        self.ended = False

    def begin(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.body = b""
        self.busy, self.ended = True, False
        self.check = StreamCheck(self.load.events, self.load.delays) if self.load.events else None
        self.begun_ns = self.now_ns = time.monotonic_ns()
        try:
            self.socket.sendall(self.request)
        except OSError:
            self.settle()

    def read(self) -> None:
        try:
            data = self.socket.recv(65536)
        except OSError:
            data = b""
        self.now_ns = time.monotonic_ns()
        if data and self.busy:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserError:
                data = b""
        if not data or self.ended:
            self.settle()

    def on_body(self, body: bytes) -> None:
        if self.check is not None:
            self.check.feed(body, self.now_ns)
        else:
            self.body += body

    def on_message_complete(self) -> None:
        self.ended = True

    def settle(self) -> None:
        """The answer has ended, or never will."""
        if not self.busy:
            return
        self.busy = False
        load = self.load
        status = self.parser.get_status_code() if self.ended else 200
        if self.check is None:
            problem = "" if USAGE.search(self.body) else "no usage"
            problem = f"status {status}" if status != 200 else problem if self.ended else "not ended"
        else:
            problem = self.check.problem(status, ended=self.ended)
            load.seen += self.check.seen
        if problem:
            load.problems[problem] += 1
            return
        load.done += 1
        load.whole.append(self.now_ns - self.begun_ns)
        if self.check is not None:
            load.first.append(self.check.first_ns - self.begun_ns)
            load.lengths.append(self.check.last_ns - self.check.first_ns)


def run(load: Load) -> dict[str, object]:
    request = load.request()
    clients = [Client(load, request) for _ in range(load.connections)]
    epoll = select.epoll()
    for client in clients:
        epoll.register(client.socket, select.EPOLLIN)
    by_number = {client.socket.fileno(): client for client in clients}
    begun = time.monotonic()
    until = begun + load.seconds
    starts = [(begun + load.spread * place / len(clients), client) for place, client in enumerate(clients)][::-1]
    busy = 0
    while (busy or starts) and time.monotonic() < until + load.patience:
        while starts and starts[-1][0] <= time.monotonic():
            starts.pop()[1].begin()
            busy += 1
        for number, _ in epoll.poll(max(0.0, starts[-1][0] - time.monotonic()) if starts else 1.0):
            client = by_number[number]
            client.read()
            if client.busy:
                continue
            if client.ended and time.monotonic() < until:
                client.begin()
            else:
                epoll.unregister(number)
                client.socket.close()
                busy -= 1
    for client in clients:
        client.settle()
    return summary(load, time.monotonic() - begun)


def summary(load: Load, seconds: float) -> dict[str, object]:
    """Milliseconds; rate of full streams: what the slowest twentieth took in comparison is for who asked."""
    spans = {"whole": load.whole, "first": load.first, "delay": load.delays, "length": load.lengths}
    found = {
        name: {f"p{share}": percentile(values, share / 100) / 1e6 for share in (50, 95, 99)}
        for name, values in spans.items()
        if values
    }
    return {
        "done": load.done,
        "events": load.seen,
        "seconds": seconds,
        "problems": dict(load.problems),
        "cpu": time.process_time(),
        **found,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(Load(**json.loads(sys.argv[1])))) + "\n")
