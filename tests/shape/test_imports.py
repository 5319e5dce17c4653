"""The order of imports is kept, and each contract notices when it is not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")

BREAKS = {
    "Imports point one way": [
        ("metering/cost.py", "from talkmeter.conversation import window"),
        ("errors.py", "from talkmeter import clock"),
        ("providers/client.py", "from talkmeter.store import schema"),
        ("config/setting.py", "def later():\n    from talkmeter import messages"),
        ("a_new_module.py", ""),
    ],
    "Surfaces do not know each other": [
        ("surfaces/ask/__init__.py", "from talkmeter.surfaces.web import guard"),
    ],
    "Only the composition root picks what stands at the edges": [
        ("cli/data.py", "from talkmeter.importing import formats"),
        ("cli/commands.py", "from talkmeter.store import open_store"),
        ("cli/prices.py", "import talkmeter.providers.registry"),
        ("__main__.py", "from talkmeter.simulator import server"),
    ],
    "Only a conversation reaches the meter": [
        ("surfaces/web/routes_asking.py", "from talkmeter.metering.meter import Meter"),
        ("store/writer.py", "from talkmeter.metering import meter"),
    ],
    "The core knows no framework, no driver, no SDK": [
        ("conversation/window.py", "import starlette"),
        ("metering/ledger.py", "from sqlalchemy import select"),
        ("accounts/store.py", "import sqlite3"),
    ],
    "No cycles": [
        ("metering/cost.py", "from talkmeter.metering import meter"),
    ],
}


def lint(source):
    environment = {**os.environ, "PYTHONPATH": str(source)}
    command = [str(LINTER), "--no-cache", "--config", str(ROOT / "pyproject.toml")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=source, check=False)
    return done.returncode, done.stdout + done.stderr


def verdicts(said):
    """Contract → whether it is kept."""
    return {name: f"{name} KEPT" in said for name in BREAKS}


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The package's Python files; a test adds to one and takes it back."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(
        ROOT / "src/talkmeter",
        folder / "talkmeter",
        ignore=lambda _, names: [n for n in names if n == "__pycache__" or ("." in n and not n.endswith(".py"))],
    )
    return folder


def test_every_contract_is_kept(copied):
    status, said = lint(copied)
    assert status == 0, said
    assert all(verdicts(said).values()), said


@pytest.mark.parametrize(
    ("contract", "file", "line"),
    [(contract, *broken) for contract, all_broken in BREAKS.items() for broken in all_broken],
    ids=lambda value: value if "/" in value or value.endswith(".py") else None,
)
def test_each_contract_notices_a_break(copied, contract, file, line):
    path = copied / "talkmeter" / file
    before = path.read_text(encoding="utf-8") if path.exists() else None
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"{before or ''}\n{line}\n", encoding="utf-8")
    try:
        status, said = lint(copied)
    finally:
        if before is None:
            path.unlink()
        else:
            path.write_text(before, encoding="utf-8")
        if not any(path.parent.iterdir()):
            path.parent.rmdir()
    assert status != 0, said
    assert f"{contract} BROKEN" in said or "a_new_module" in said, said
