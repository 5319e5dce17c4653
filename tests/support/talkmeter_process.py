"""Talkmeter as a process of its own, driven as a person and their browser do."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager

WAIT = 60  # seconds; only a hang is ever that long
KEPT = ("HOME", "PATH", "SYSTEMROOT", "TMPDIR", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")


def environment(**more):
    """Nothing of the surroundings but what a process needs to run. No gRPC: its usual port is one for all."""
    return {name: os.environ[name] for name in KEPT if name in os.environ} | {"TALKMETER_GRPC_PORT": "0"} | more


def run(*arguments, data_dir, stdin="", **env):
    """One command to its end: (status, stdout, stderr)."""
    done = subprocess.run(
        [sys.executable, "-m", "talkmeter", *map(str, arguments), "--data-dir", str(data_dir)],
        input=stdin,
        capture_output=True,
        text=True,
        env=environment(**env),
        timeout=WAIT,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


class Process:
    """A running `talkmeter serve`; `lines` is what it has printed so far."""

    def __init__(self, popen):
        self.popen = popen
        self.lines = []
        self.errors = []
        self._changed = threading.Condition()
        self._readers = [
            threading.Thread(target=self._read, args=(popen.stdout, self.lines), daemon=True),
            threading.Thread(target=self._read, args=(popen.stderr, self.errors), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, stream, lines):
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        stream.close()

    def wait_for(self, pattern):
        """The first match in what it prints. Fails with everything it said if it ends before."""

        def found():
            return next((match for line in self.lines if (match := re.search(pattern, line))), None)

        with self._changed:
            self._changed.wait_for(lambda: found() or self.popen.poll() is not None, WAIT)
            match = found()
        assert match, f"no {pattern!r} in:\n" + "\n".join([*self.lines, *self.errors])
        return match

    @property
    def link(self):
        return self.wait_for(r"https?://\S+/sign-in\?token=\S+")[0]

    @property
    def port(self):
        return int(self.wait_for(r"address\s+https?://[^ ]+:(\d+)")[1])

    @property
    def output(self):
        return "\n".join([*self.lines, *self.errors])

    def stop(self, number=signal.SIGTERM):
        """The exit status."""
        self.popen.send_signal(number)
        return self.ended()

    def ended(self):
        status = self.popen.wait(WAIT)
        for reader in self._readers:
            reader.join(WAIT)
        return status


@contextmanager
def serving(data_dir, *arguments, **env):
    popen = subprocess.Popen(
        [sys.executable, "-m", "talkmeter", "serve", "--data-dir", str(data_dir), "--port", "0", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**env),
    )
    process = Process(popen)
    try:
        yield process
    finally:
        if popen.poll() is None:
            popen.kill()
        process.ended()


class Browser:
    """Keeps the cookie of one server. context: speaks TLS with it."""

    def __init__(self, port, host="127.0.0.1", context=None):
        self.port = port
        self.host = host
        self.context = context
        self.cookie = None

    @property
    def scheme(self):
        return "http" if self.context is None else "https"

    def connect(self):
        """A connection of its own, as http.client has it."""
        if self.context is None:
            return http.client.HTTPConnection(self.host, self.port, timeout=WAIT)
        return http.client.HTTPSConnection(self.host, self.port, timeout=WAIT, context=self.context)

    def request(self, method, path, body=None):
        """(status, headers, body)"""
        connection = self.connect()
        try:
            headers = {"Cookie": self.cookie} if self.cookie else {}
            name = f"[{self.host}]" if ":" in self.host else self.host
            if method != "GET":
                headers |= {"Content-Type": "application/json", "Origin": f"{self.scheme}://{name}:{self.port}"}
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            data = answer.read()
            if cookie := answer.getheader("Set-Cookie"):
                self.cookie = cookie.split(";")[0]
            return answer.status, dict(answer.getheaders()), data
        finally:
            connection.close()

    def json(self, method, path, body=None):
        status, _, data = self.request(method, path, body)
        assert status < 300, (status, data)
        return json.loads(data) if data else None

    def sign_in(self, link):
        """The status and where it leads."""
        path = "/" + link.split("/", 3)[3]
        status, headers, _ = self.request("GET", path)
        return status, headers.get("Location", headers.get("location"))

    def ask(self, text, client_id, **more):
        return self.json("POST", "/api/ask", {"room_id": None, "client_id": client_id, "text": text, **more})

    def wait_for_event(self, run_id, kind):
        """Returns once the run has told of an event of this kind."""
        connection = self.connect()
        try:
            connection.request("GET", f"/api/runs/{run_id}/events?after=0", headers={"Cookie": self.cookie})
            lines = connection.getresponse()
            assert any(line == f"event: {kind}\n".encode() for line in lines), f"it ended without {kind!r}"
        finally:
            connection.close()

    def follow(self, run_id):
        """Every event of a run as text, to its end."""
        return self.request("GET", f"/api/runs/{run_id}/events?after=0")[2].decode()


@contextmanager
def signed_in(data_dir, *arguments, context=None, **env):
    """(process, browser)"""
    with serving(data_dir, *arguments, **env) as process:
        browser = Browser(process.port, context=context)
        assert browser.sign_in(process.link) == (303, "/")
        yield process, browser
