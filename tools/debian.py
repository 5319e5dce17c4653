"""Debian's packages, where they can be had."""

import os
import shutil
import subprocess
from collections.abc import Callable


def apt(say: Callable[[str], None], *packages: str) -> bool:
    """Installs Debian packages where that is possible without asking; whether it did."""
    tool = shutil.which("apt-get")
    if tool is None or not is_root():
        return False
    say(f"Installing {', '.join(packages)} …")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for arguments in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        if subprocess.run([tool, *arguments], env=quiet, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            return False
    return True


def is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0
