"""The commands that users of ChatGPT EasyBackend have at hand, and a search for what breaks us, on a server of its own."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import environment
from support.talkmeter_process import serving

# As that project's page has it, byte for byte but for the port.
CURL = """curl -X 'POST' \\
  'http://localhost:8000/ask/{conversation_id}' \\
  -H 'accept: application/json' \\
  -H 'Content-Type: application/json' \\
  -d '{
  "prompt": "Hello"
}'
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with serving(
        tmp_path_factory.mktemp("old") / "data", "--no-open", TALKMETER_SIMULATOR_TOKENS_PER_SECOND="0"
    ) as server:
        yield server.port


def shell(command, port):
    assert shutil.which("curl"), "curl is missing: install it (Debian: apt-get install curl)"
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace(":8000/", f":{port}/")],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return json.loads(done.stdout)


def test_the_curl_of_the_readme_pasted_twice_keeps_its_context(port):
    first, second = shell(CURL, port), shell(CURL, port)
    assert first["message"] == first["choices"][0]["text"] != ""
    assert (
        first["conversation_id"] == second["conversation_id"] == "conversation_id"
    )  # curl itself takes the braces off
    assert second["usage"]["prompt_tokens"] > first["usage"]["prompt_tokens"]


def test_with_the_braces_sent_as_they_are(port):
    reply = shell(CURL.replace("curl -X", "curl -g -X"), port)
    assert reply["conversation_id"] == "{conversation_id}"


def test_a_typographic_quote_is_named_by_its_position(port):
    told = shell(CURL.replace('"prompt": "Hello"', '"prompt": "Hello",\n  \u201cparent_id": "x"'), port)
    assert "line 3, column 3" in told["error"]["message"]
    assert told["response"] == told["error"]["message"]


def test_an_unknown_engine_says_so_and_names_what_exists(port):
    told = shell(
        CURL.replace('"prompt": "Hello"', '"prompt": "Hello", "model": "text-chat-davinci-002-20221122"'), port
    )
    assert told["error"]["code"] == "model_not_found"
    assert "text-chat-davinci-002-20221122" in told["response"]
    assert "sim-fast" in told["detail"]


def test_the_description_finds_no_5xx(port, tmp_path):
    """schemathesis asks what the document allows, and what it does not."""
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"http://localhost:{port}/openapi.json"),
        *("--checks", "not_a_server_error", "--phases", "examples,coverage,fuzzing", "--max-examples", "15"),
        *("--include-path-regex", "^/(ask|health)", "--generation-deterministic", "--no-color"),
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300, env=environment(), cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    tested = re.search(r"(\d+) passed", done.stdout)
    assert tested, done.stdout[-3000:]
