"""What `python3 dev` leaves in a checkout's .venv."""

import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from talkmeter import __version__

ROOT = Path(__file__).resolve().parents[2]


def tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(os.name != "posix", reason="a script of sh")
def test_a_checkout_has_the_command_wherever_it_is_called_from(tmp_path):
    (folder := tmp_path / "with a blank" / "bin").mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    script = tool("venv_script").write_script(folder / "python", windows=False)
    linked = tmp_path / "talkmeter"
    linked.symlink_to(script)
    (tmp_path / "elsewhere" / "talkmeter").mkdir(parents=True)  # not to be taken for the package
    done = subprocess.run(
        [linked, "--version"],
        cwd=tmp_path / "elsewhere",
        env={"PYTHONPATH": os.pathsep.join(sys.path), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == f"talkmeter, version {__version__}\n", done.stderr


def test_windows_gets_one_by_that_name(tmp_path):
    script = tool("venv_script").write_script(tmp_path / "python.exe", windows=True)
    assert script.name == "talkmeter.cmd"
    assert script.read_text(encoding="utf-8") == '@"%~dp0python.exe" -P -m talkmeter %*\n'


def pins(name):
    text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z0-9._-]+==[^ ;]+)", text, re.MULTILINE))


def test_every_extra_is_locked_and_changes_nothing_else():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    for name in extras:
        locked = pins(f"{name}.txt")
        assert pins("run.txt") <= locked
        assert locked <= pins("run.txt") | pins("dev.txt"), "as the tests have them"
        assert f'"{name}"' in (ROOT / "dev").read_text(encoding="utf-8")
