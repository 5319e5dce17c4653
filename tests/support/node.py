"""The machine's Node, or the Python package's, for programs of tests."""

import importlib.util
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def node(folder):
    """The program and its environment; folder: holds the packages that must be there."""
    spec = importlib.util.spec_from_file_location("build_page", ROOT / "tools/build_page.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    npm = tool.find_node()
    install = f"`python3 dev test {folder.parent.relative_to(ROOT)}` installs it"
    if npm is None:
        pytest.fail(f"Node.js is not installed; {install}.")
    if not (folder / "node_modules/.package-lock.json").is_file():
        pytest.fail(f"What {folder.relative_to(ROOT)}/package-lock.json names is not installed; {install}.")
    environment = tool.node_environment(npm)
    program = shutil.which("node", path=environment["PATH"])
    assert program is not None
    return program, environment
