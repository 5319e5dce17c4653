"""What keeps the code small and in order, where a linter has no rule for it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src/talkmeter"
MODULES = sorted([*SOURCE.rglob("*.py"), *(ROOT / "tools").glob("*.py"), ROOT / "dev", ROOT / "hatch_build.py"])
LONGEST_MODULE = 400  # lines
LONGEST_FUNCTION = 60
TEXT = {".py", ".md", ".toml", ".txt", ".json", ".ts", ".svelte", ".js", ".html", ".css", ".in", ".yml", ".yaml", ""}
CORE = ("conversation", "metering", "accounts")
BEGIN_WORK = {"Thread", "Timer", "ThreadPoolExecutor", "ProcessPoolExecutor", "create_task", "ensure_future", "run"}

# Spelt in pieces, so that this file does not name them either.
REGISTRIES = [
    "pypi" + ".org",
    "pytho" + "nhosted.org",
    "npm" + "js.org",
    "npm" + "js.com",
    "registry.yarn" + "pkg.com",
    "deb." + "debian.org",
    "crates" + ".io",
    "proxy.gol" + "ang.org",
]
MACHINE_PATHS = [r"(?<![\w.])/wor" + r"k/", r"(?<![\w.])/ro" + r"ot/", r"\.libr" + r"ary/"]
HOME = r"(?<![\w./])/ho" + r"me/[a-z]"
BESIDE = [r"\.\./sha" + r"red"]


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def tracked_files():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a checkout")  # an unpacked archive has no list of its files
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= LONGEST_MODULE, f"{lines} lines; split it by idea"
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long, "; ".join(long)


def test_no_file_names_a_registry_or_a_path_of_one_machine():
    found = [
        f"{name_of(path)}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]}"
        for path in tracked_files()
        if path.suffix in TEXT and not name_of(path).startswith("tests/shape/")
        for text in [path.read_text(encoding="utf-8", errors="replace")]
        for pattern in unwanted_in(name_of(path))
        if (match := re.search(pattern, text))
    ]
    assert not found, "\n".join(found)


def unwanted_in(name):
    patterns = [re.escape(host) for host in REGISTRIES] + MACHINE_PATHS
    if name.startswith("tests/"):
        return patterns  # a test may look for more material beside the checkout, and make up a home
    return [*patterns, *BESIDE, HOME]


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("*.py")), ids=name_of)
def test_importing_a_module_begins_no_work(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        f"line {call.lineno}: {ast.unparse(call)[:60]}"
        for call in _calls_at_import(tree)
        if _called(call) in BEGIN_WORK or ast.unparse(call.func).startswith(("subprocess.", "socket."))
    ]
    assert not found, "; ".join(found)


def test_importing_everything_leaves_one_thread_and_no_sockets():
    names = [
        ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in SOURCE.rglob("*.py")
        if path.name != "__main__.py" and "migrations" not in path.parts
    ]
    code = (
        "import importlib, sys, threading\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, _: opened.append(event) if event in ('socket.connect', 'socket.bind') else None)\n"
        f"for name in {sorted(names)!r}: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not opened, opened\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_only_the_meter_sends_to_a_provider():
    senders = [
        name_of(path)
        for part in CORE
        for path in (SOURCE / part).rglob("*.py")
        if any(
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("send", "exchange")
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        )
    ]
    assert sorted(senders) == ["src/talkmeter/metering/meter.py", "src/talkmeter/metering/passing.py"]


def test_every_setting_that_is_read_exists():
    """A misspelt name in `get("…")` would only be found when that line runs."""
    from talkmeter.config import BY_NAME

    asked = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and re.search(r"(settings|resolved|defaults)\.get$", ast.unparse(node.func)):
                asked |= {arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant)}
    assert asked
    assert asked <= set(BY_NAME), asked - set(BY_NAME)


def _calls_at_import(tree):
    """Calls that run with the import: not those inside functions, nor under `if __name__ == …`."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "__name__" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.Call):
            yield node
        waiting.extend(ast.iter_child_nodes(node))


def _called(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
