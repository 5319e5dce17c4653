"""Talkmeter as a stranger has it: the wheel in a fresh virtual environment with the hash-locked packages of a run."""

import subprocess
import sys
from pathlib import Path

from figures import Figure, progress
from running import ROOT, Missed

BAR = 200.0  # MB


def install(folder: Path) -> Path:
    """The interpreter of the environment in `folder`; made if it is not there. Raises Missed."""
    python = folder / "bin" / "python"
    if python.exists():
        progress(f"environment as it is in {folder}")
        return python
    progress(f"wheel and fresh environment in {folder}")
    wheels = folder.with_name(f"{folder.name}-wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(wheels), str(ROOT))
    _run(sys.executable, "-m", "venv", str(folder))
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run(*pip, "--require-hashes", "-r", str(ROOT / "requirements" / "run.txt"))
    _run(*pip, "--no-deps", str(next(wheels.glob("talkmeter-*.whl"))))
    return python


def measure(python: Path, _runs: int) -> list[Figure]:
    """The environment's size, with Python's own pip and setuptools, compiled files included."""
    folder = python.parents[1]
    ours = next((folder / "lib").glob("python*/site-packages/talkmeter"))
    return [
        Figure("virtual environment", (_megabytes(folder),), "MB", BAR, "wheel, hash-locked packages, pip"),
        Figure("of it Talkmeter", (_megabytes(ours),), "MB", note="page and token ranks included"),
    ]


def _megabytes(folder: Path) -> float:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file() and not file.is_symlink()) / 1e6


def _run(*command: str) -> None:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Missed(f"`{' '.join(command)}` failed:\n{(done.stdout + done.stderr)[-3000:]}")
