"""A server and a simulator whose books it is held against, for the tests of `talkmeter reconcile`."""

import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request

from support.running import Server, SimulatorProcess
from support.simulator_requests import FORM, form
from support.talkmeter_process import run

KEY, ADMIN = "sk-test-0123456789abcdWXYZ", "sk-admin-0123456789abcdefgh"


class Desk:
    """A server and a simulator of their own, and short ways to use both."""

    def __init__(self, folder, database=None):
        self.data_dir, self.bill_file = folder / "data", folder / "bill.jsonl"
        self.environment = {"OPENAI_API_KEY": KEY, "OPENAI_ADMIN_KEY": ADMIN}
        if database is not None:
            self.environment["TALKMETER_DATABASE_URL"] = database
        self.first_day = today()
        self.port = 0
        self.open()

    def open(self):
        """Both begin, or go on where they were when they were closed."""
        self.simulator = SimulatorProcess(self.bill_file, port=self.port)
        self.port = urllib.parse.urlsplit(self.simulator.base_url).port  # the provider stays where it was
        self.environment["OPENAI_BASE_URL"] = self.simulator.base_url
        self.server = Server(self.data_dir, environment=self.environment)

    def call(self, path, body, *, outside=False):
        """(status, body); outside: past Talkmeter, with another key."""
        files = any(isinstance(value, tuple) for value in body.values())
        headers = {"Content-Type": FORM if files else "application/json"}
        if outside:
            headers["Authorization"] = "Bearer sk-another-0123456789"
        url = f"{self.simulator.base_url if outside else self.server.origin + '/v1'}/{path}"
        data = form(body) if files else json.dumps(body).encode()
        try:
            with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=60) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()
        except (urllib.error.URLError, http.client.HTTPException, OSError):
            return 0, b""

    def chat(self, model, text="say: a b c", *, outside=False, **more):
        return self.call("chat/completions", chat(model, text, **more), outside=outside)

    def leave(self, model, **simulate):
        """Asks for a gated stream and leaves once it has begun, or before it can."""
        connection = http.client.HTTPConnection(self.server.origin.partition("//")[2], timeout=60)
        body = chat(model, stream=True, simulate=simulate)
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
        if simulate.get("gate"):
            self.simulator.step(3)
            connection.getresponse().read(1)
        else:
            self._until_asked(model)
        return connection

    def _until_asked(self, model):
        until = time.monotonic() + 30
        while not any(row["model"] == model for row in self.simulator.bill(settled=False)):
            assert time.monotonic() < until, f"nobody has asked for {model}"
            time.sleep(0.02)

    def reconcile(self, *options):
        """(status, what it prints as JSON)."""
        days = () if "--from" in options else ("--from", self.first_day, "--to", today())
        arguments = ("reconcile", *days, "--lag", "0", "--json", *options)
        status, said, error = run(*arguments, data_dir=self.data_dir, **self.environment)
        assert said, error
        return status, json.loads(said)

    def wait_until_settled(self):
        until = time.monotonic() + 30
        while any("open" in reason["names"] for reason in reasons(self.reconcile()[1])):
            assert time.monotonic() < until, "an entry stays open"

    def close(self):
        self.server.stop()
        self.simulator.stop()


def today():
    return day(0)


def day(ago):
    """The day (UTC) so many days before today."""
    return time.strftime("%Y-%m-%d", time.gmtime(time.time() - ago * 86_400))


def chat(model, text="say: a b c", **more):
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


def reasons(report):
    return [reason for line in report["usage"] for reason in line["reasons"]]
