"""OpenAI's own document of its API, every operation of it, through the gateway: by its rules, and against them.

schemathesis makes the requests. Whatever they are, we never fail, what we say ourselves is OpenAI's error object, what the
provider says arrives as it was said, and the ledger is the bill. A longer run, other requests each time:
TALKMETER_EXAMPLES=200 .venv/bin/python -m pytest tests/gateway/test_openai_document.py
"""

import asyncio
import os

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.core.errors import UnsupportedSchema

from support.openapi import DOCUMENT, problems, schema

pytestmark = pytest.mark.skipif(
    not DOCUMENT.exists(),
    reason="no request of OpenAI's document has been tried, for it is not here: set TALKMETER_SHARED to the folder with it",
)
LONG = "TALKMETER_EXAMPLES" in os.environ
EXAMPLES = int(os.environ.get("TALKMETER_EXAMPLES", "4"))  # of each operation, in each mode
CUT = "sim-fault-cut-300"
MODELS = {  # by the beginning of the path
    "/chat/": ["sim-fast", "sim-reasoning", "gpt-4o-mini", "sim-fault-503"],
    "/responses": ["sim-fast", "sim-reasoning", "gpt-4o-mini", CUT],
    "/completions": ["sim-instruct"],
    "/embeddings": ["sim-embedding"],
    "/moderations": ["sim-moderation"],
    "/images/": ["sim-image", "sim-image-classic"],
    "/audio/speech": ["sim-speech", "sim-speech-tokens"],
    "/audio/": ["sim-transcribe", "sim-whisper"],
}
MEANT = {502, 503}  # of a provider that was told to fail


@pytest.fixture(scope="module")
def operations():
    document = schemathesis.openapi.from_path(DOCUMENT)
    found = [result.ok() for result in document.get_all_operations()]
    assert len(found) > 200
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
async def test_every_operation(open_gate, operations, mode):
    gate = await open_gate(gateway_local=False)
    _, key = await gate.key("schemathesis")
    trial = Trial(gate, key)
    for operation in operations:
        await asyncio.to_thread(trial.of, operation, mode)
    assert trial.wrong == {}
    assert len(trial.given_up) < 10, "what cannot be made is the exception"
    assert trial.passed_on > 80
    assert trial.refused > 80
    ledger = await gate.check_books(unknown=True, unseen=True)
    assert len(ledger) >= trial.passed_on


class Trial:
    """passed_on, refused: answers of the provider's, and of ours. wrong: what was, by operation.

    given_up: operations of which schemathesis could make some requests, then no others.
    """

    def __init__(self, gate, key):
        self.gate, self.key, self.session = gate, key, requests.Session()
        self.session.trust_env = False
        self.session.auth = self.sign
        self.passed_on = self.refused = 0
        self.wrong = {}
        self.given_up = []

    def sign(self, request):
        """Last of all, whatever schemathesis made of it: a wrong key would hide everything else."""
        request.headers["Authorization"] = f"Bearer {self.key}"
        return request

    def of(self, operation, mode):
        models = next((names for start, names in MODELS.items() if operation.path.startswith(start)), ["sim-fast"])

        @settings(
            max_examples=EXAMPLES,
            derandomize=not LONG,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            phases=[Phase.generate],
        )
        @given(case=operation.as_strategy(generation_mode=mode), model=st.sampled_from([None, *models]))
        def trying(case, model):
            if model is not None and isinstance(case.body, dict):
                case.body["model"] = model
            self.send(f"{operation.method.upper()} {operation.path}", case)

        try:
            trying()
        except UnsupportedSchema:
            self.given_up.append(f"{operation.method.upper()} {operation.path}")

    def send(self, name, case):
        self.gate.wire.forget()
        try:
            answer = case.call(base_url=self.gate.base_url, session=self.session, timeout=60)
        except requests.exceptions.ChunkedEncodingError:
            assert case.body["model"] == CUT, name  # its streams break off, and are not to be taken for whole
            self.passed_on += 1
            return
        passed_on = "x-talkmeter-call-id" in answer.headers
        self.passed_on += passed_on
        self.refused += not passed_on
        found = self.of_the_provider(case, answer) if passed_on else of_ours(answer)
        if found:
            self.wrong.setdefault(name, []).append(f"{case.as_curl_command()[:600]}: {found}")

    def of_the_provider(self, case, answer):
        said = self.gate.answered
        if answer.status_code != int(said.first.split(" ")[1]):
            return f"{answer.status_code} for {said.first}"
        withheld = isinstance(case.body, dict) and bool(case.body.get("stream"))
        return None if withheld or answer.content == said.body else f"{answer.content[:200]} for {said.body[:200]}"


def of_ours(answer):
    if answer.status_code in MEANT and answer.json()["error"]["code"].startswith("upstream_"):
        return problems(answer.json(), schema("ErrorResponse"))
    if answer.status_code >= 500 or answer.status_code == 401:
        return f"{answer.status_code} {answer.content}"
    if answer.status_code == 200:
        return (
            problems(answer.json(), schema("ListModelsResponse"))
            if answer.request.url.endswith("/models")
            else answer.content
        )
    return problems(answer.json(), schema("ErrorResponse"))
