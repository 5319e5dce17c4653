"""`talkmeter` in a checkout's .venv, as an installed wheel would have it."""

import shlex
from pathlib import Path


def write_script(python: Path, *, windows: bool) -> Path:
    """Beside the environment's Python; a name in ~/.local/bin may link to it. Only written where it says otherwise."""
    if windows:
        # By its own place: a batch file is read in the console's code page, which knows not every folder's name.
        path, text = python.with_name("talkmeter.cmd"), f'@"%~dp0{python.name}" -P -m talkmeter %*\n'
    else:
        path, text = python.with_name("talkmeter"), f'#!/bin/sh\nexec {shlex.quote(str(python))} -P -m talkmeter "$@"\n'
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)
    return path
