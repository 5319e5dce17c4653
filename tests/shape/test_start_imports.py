"""A start imports only what the first page needs; the rest comes with its first use. (Figures: docs/performance.md)"""

import json
import subprocess
import sys
from urllib.error import HTTPError
from urllib.parse import urljoin
from urllib.request import urlopen

import pytest

from support.processes import environment

# What a start has no use for, and what it is needed for later.
LATER = {
    "aiohttp": "the simulator's server",
    "alembic": "a database of an older version",
    "argon2": "a password",
    "cryptography": "a stored key",
    "google.protobuf": "the gRPC door",
    "grpc": "the gRPC door, after the page answers",
    "prometheus_client": "the first scrape",
    "psycopg": "a PostgreSQL database",
    "pygments": "rich",
    "opentelemetry": "telemetry, where it is switched on",
    "requests": "telemetry",
    "rich": "tables and progress bars of other commands",
    "sqlalchemy.dialects.postgresql": "a PostgreSQL database",
    "sqlalchemy.orm": "nothing: the store is Core only",
    "talkmeter.importing": "an import",
    "talkmeter.simulator": "answers while there is no provider",
    "tiktoken": "the first count",
    "urllib.request": "nothing",
    "webbrowser": "--open",
    "websockets": "the first WebSocket",
}

# The command itself; when it has ended, every module that it had imported, one name a line.
SERVE = """
import atexit, sys
atexit.register(lambda: print("imported", *sys.modules, sep="\\n"))
sys.argv = ["talkmeter", "serve", "--no-open", "--port", "0", "--data-dir", sys.argv[1]]
from talkmeter.cli import main
main()
"""


def status(url):
    try:
        with urlopen(url, timeout=60) as answer:
            return answer.status
    except HTTPError as error:
        with error:
            return error.code


def start_and_stop(data_dir):
    """Status of `/` and `/healthz`, and every module that the server had imported when it ended."""
    # A configured provider: without one the simulator starts right after the first answer.
    surroundings = environment(OPENAI_API_KEY="sk-nobody", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    command = [sys.executable, "-c", SERVE, str(data_dir)]
    with subprocess.Popen(command, env=surroundings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        try:
            link = next((line.split()[2] for line in run.stdout if line.strip().startswith("sign in")), None)
            assert link is not None, run.stderr.read()
            answered = status(urljoin(link, "/")), status(urljoin(link, "/healthz"))
            run.terminate()
            said, trouble = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 0, trouble
    return answered, set(said.partition("imported\n")[2].split())


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("start") / "data"


@pytest.mark.parametrize("start", ["on a new data directory", "on one that is there"])
def test_a_start_imports_only_what_it_needs(data_dir, start):
    answered, modules = start_and_stop(data_dir)
    assert answered in ((200, 200), (503, 200))  # 503: this checkout's page is not built
    assert "talkmeter.store.writer" in modules
    unneeded = {name: LATER[name] for name in LATER if name in modules}
    assert not unneeded, f"imported at the start, but only needed for: {json.dumps(unneeded, indent=1)}"


def test_what_comes_later_is_there_to_come():
    """A name that has changed would be found missing above for the wrong reason."""
    find = "import importlib.util as u, sys; print(*(n for n in sys.argv[1:] if u.find_spec(n) is None))"
    found = subprocess.run([sys.executable, "-c", find, *LATER], capture_output=True, text=True, check=True).stdout
    assert found.split() == []
