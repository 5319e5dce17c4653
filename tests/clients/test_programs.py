"""Programs that know nothing of Talkmeter: from it they get what the provider itself would have said, byte for byte.

Each is run twice, at the simulator and through Talkmeter; what it tells of its scenes and what came over its wire is
compared, and then the ledger with the bill. In folders beside this file: node/ (npm), python/ (requirements/clients.txt) and
shell/ (the system's own).
"""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import pytest

from support.side_by_side import side_by_side

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
INSTALL = "is not installed; `python3 dev test tests/clients` installs it"
PROGRAMS = (
    "node/openai.mjs",
    "node/vercel.mjs",
    "python/openai_scenes.py",
    "python/langchain_scenes.py",
    "python/llm_scenes.py",
    "shell/curl_scenes.py",
)
OWN = b"GET /v1/models "  # that list is ours: of all providers, and of what the key may use


def node() -> tuple[list[str], dict[str, str]]:
    """The command and its environment."""
    spec = importlib.util.spec_from_file_location("build_page", ROOT / "tools/build_page.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    npm = tool.find_node()
    if npm is None:
        pytest.fail(f"Node.js {INSTALL}.")
    if not (HERE / "node/node_modules/.package-lock.json").is_file():
        pytest.fail(f"What tests/clients/node/package-lock.json names {INSTALL}.")
    environment = tool.node_environment(npm)
    program = shutil.which("node", path=environment["PATH"])
    assert program is not None
    return [program], environment


def python() -> tuple[list[str], dict[str, str]]:
    program = ROOT / ".venv/clients" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    if not program.exists():
        pytest.fail(f"What requirements/clients.txt names {INSTALL}.")
    return [str(program)], dict(os.environ)


def shell() -> tuple[list[str], dict[str, str]]:
    if shutil.which("curl") is None:
        pytest.fail("There is no curl here; `apt-get install curl`, or whatever your system calls that, installs it.")
    return [sys.executable], dict(os.environ)


RUNNING = {"node": node, "python": python, "shell": shell}


def same(ours: tuple[str, bytes, bool], theirs: tuple[str, bytes, bool]) -> bool:
    """Of an answer that broke off, a reset may have overtaken the last bytes on their way through the wire."""
    if ours[2] or theirs[2]:
        return ours == theirs
    return ours[0] == theirs[0] and (ours[1].startswith(theirs[1][:-80]) or theirs[1].startswith(ours[1][:-80]))


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS)
async def test_what_a_program_gets(tmp_path, program):
    command, environment = RUNNING[program.partition("/")[0]]()
    async with side_by_side(tmp_path, [*command, str(HERE / program)], environment) as (direct, through, gate):
        assert through.told == direct.told
        assert len(through.told) >= 8

        expected, got = direct.answers(), through.answers()
        asked = [question for question in expected if not question.startswith(OWN)]
        assert set(asked) == {question for question in got if not question.startswith(OWN)}
        for question in asked:
            assert len(got[question]) == len(expected[question]), question[:300]
            # One question may be asked twice and answered differently; over two connections they are not in order.
            for ours, theirs in zip(sorted(got[question]), sorted(expected[question]), strict=True):
                assert same(ours, theirs), f"{question[:300]!r}: {ours} for {theirs}"

        sent = {answer.header("x-request-id"): (question, answer) for question, answer in gate.wire.exchanges}
        passed = 0
        for question, answer in through.wire.exchanges:
            known = sent.get(answer.header("x-request-id"))
            if known is not None and known[0].body == question.body:
                assert answer.body == known[1].body, question.first
                passed += 1
        assert passed >= len(asked) / 2, "as good as all of it went on as it came"

        ledger = await gate.check_books(unknown=True, unseen=True)
        named = {answer.header("x-talkmeter-call-id") for _, answer in through.wire.exchanges} - {None}
        assert len(named) >= passed
        assert named <= set(ledger)
