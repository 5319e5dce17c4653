"""The gateways, how each is started for one fake upstream, and how the peers among them are installed.

Peers come from their registries by their ordinary clients into a folder of their own, and only when asked for.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from running import Missed, clean_environment, free_port

from gateways import words
from gateways.processes import Pinned, until_answered

CHAT = "/v1/chat/completions"
SECRET = "sk-of-the-fake-upstream-0000000000000000"
NO_LIMIT = 1_000_000_000  # what is counted is never reached
INSTALL_SECONDS = 1800


@dataclass(frozen=True)
class Setting:
    """Where a gateway runs: its own folder, its core, the upstream it is for, and where peers are installed."""

    folder: Path
    core: int
    upstream_port: int
    cache: Path

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.upstream_port}/v1"


@dataclass
class Gateway:
    """One that runs. start: seconds to the first answer."""

    name: str
    version: str
    note: str
    process: Pinned
    port: int
    path: str = CHAT
    headers: tuple[tuple[str, str], ...] = ()
    model: str = words.MODEL
    database: Path | None = None
    start: float = 0.0

    def ready(self) -> "Gateway":
        body = words.question(self.model, stream=False)
        try:
            self.start = until_answered(self.process, self.port, self.path, dict(self.headers), body)
        except BaseException:
            self.process.end()
            raise
        return self


def talkmeter(setting: Setting) -> Gateway:
    from talkmeter import __version__

    data_dir, port = setting.folder / "data", free_port()
    command = [sys.executable, "-m", "talkmeter"]
    limits = ["--rpm", str(NO_LIMIT), "--tpm", str(NO_LIMIT)]
    made = subprocess.run(
        [*command, "keys", "create", "benchmark", *limits, "--data-dir", str(data_dir)],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise Missed(f"talkmeter keys create: {made.stderr[-500:]}")
    process = Pinned(
        [*command, "serve", "--no-open", "--port", str(port), "--data-dir", str(data_dir)],
        setting.folder,
        setting.core,
        OPENAI_BASE_URL=setting.base_url,
        OPENAI_API_KEY=SECRET,
        TALKMETER_CONNECTIONS_PER_ADDRESS="0",
    )
    note = "a key, RPM and TPM limits, the ledger in SQLite with `synchronous=FULL`"
    gateway = Gateway("talkmeter", __version__, note, process, port, database=data_dir / "talkmeter.db")
    gateway.headers = (("Authorization", f"Bearer {made.stdout.strip()}"),)
    return gateway.ready()


NGINX = """daemon off; master_process off; pid nginx.pid; error_log stderr error; worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_buffer_size 64k; keepalive_requests 1000000000;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi; uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  upstream fake {{ server 127.0.0.1:{upstream}; keepalive 1100; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass http://fake; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
"""


def nginx(setting: Setting) -> Gateway:
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if program is None:
        raise Missed("nginx is not installed (--install, or `apt-get install nginx-light`)")
    port = free_port()
    (setting.folder / "nginx.conf").write_text(
        NGINX.format(upstream=setting.upstream_port, port=port), encoding="utf-8"
    )
    said = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr
    process = Pinned(
        [program, "-p", str(setting.folder), "-e", "stderr", "-c", "nginx.conf"], setting.folder, setting.core
    )
    note = "bare `proxy_pass`, one worker, unbuffered, no log: what any proxy must cost"
    return Gateway("nginx", said.rpartition("/")[2].strip(), note, process, port).ready()


LITELLM_VERSION = "1.106.2"
LITELLM_KEY = "sk-benchmark-of-talkmeter-000000000000"
LITELLM = f"""model_list:
- model_name: {words.MODEL}
  litellm_params: {{model: openai/{words.MODEL}, api_key: {SECRET}, api_base: "BASE"}}
general_settings: {{master_key: {LITELLM_KEY}, disable_error_logs: true, proxy_batch_write_at: 60}}
litellm_settings: {{request_timeout: 600, set_verbose: false, json_logs: true}}
"""


def litellm(setting: Setting) -> Gateway:
    programs = _installed(setting.cache / f"litellm-{LITELLM_VERSION}") / "bin"
    (setting.folder / "config.yaml").write_text(LITELLM.replace("BASE", setting.base_url), encoding="utf-8")
    port = free_port()
    where = ["--config", "config.yaml", "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    process = Pinned(
        [str(programs / "litellm"), *where],
        setting.folder,
        setting.core,
        LITELLM_MODE="PRODUCTION",
        LITELLM_LOG="ERROR",
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_TELEMETRY="False",
    )
    note = "one worker, production settings, a master key, no database: nothing is kept"
    headers = (("Authorization", f"Bearer {LITELLM_KEY}"),)
    return Gateway("litellm", LITELLM_VERSION, note, process, port, headers=headers).ready()


TENSORZERO_VERSION = "2026.6.0"
TENSORZERO = f"""[gateway]
observability.enabled = false
disable_pseudonymous_usage_analytics = true
[models."{words.MODEL}"]
routing = ["fake"]
[models."{words.MODEL}".providers.fake]
type = "openai"
model_name = "{words.MODEL}"
api_base = "BASE/"
api_key_location = "env::FAKE_KEY"
"""
SERVE_TENSORZERO = """import threading, tensorzero
stores = dict.fromkeys(("clickhouse_url", "postgres_url", "valkey_url"))
gateway = tensorzero._start_http_gateway(config_file="tensorzero.toml", async_setup=False, **stores)
print(gateway.base_url, flush=True)
threading.Event().wait()
"""


def tensorzero(setting: Setting) -> Gateway:
    python = _installed(setting.cache / f"tensorzero-{TENSORZERO_VERSION}") / "bin/python"
    (setting.folder / "tensorzero.toml").write_text(TENSORZERO.replace("BASE", setting.base_url), encoding="utf-8")
    (setting.folder / "serve.py").write_text(SERVE_TENSORZERO, encoding="utf-8")
    process = Pinned([str(python), "serve.py"], setting.folder, setting.core, FAKE_KEY=SECRET)
    try:
        port = int(process.wait_for(r"http://[^:/\s]+:(\d+)"))
    except Missed:
        process.end()
        raise
    note = "the Rust gateway inside its Python wheel, observability off: nothing is kept"
    model = f"tensorzero::model_name::{words.MODEL}"
    path = "/openai/v1/chat/completions"
    return Gateway("tensorzero", TENSORZERO_VERSION, note, process, port, path, model=model).ready()


PORTKEY_VERSION = "1.15.2"
PORTKEY = {
    "private": True,
    "dependencies": {"@portkey-ai/gateway": PORTKEY_VERSION},
    # With newer ones, which npm would take, each of its streams is answered with 500.
    "overrides": {"hono": "4.9.7", "@hono/node-server": "1.13.5"},
}


def portkey(setting: Setting) -> Gateway:
    folder = _installed(setting.cache / f"portkey-{PORTKEY_VERSION}") / "node_modules/@portkey-ai/gateway"
    port = free_port()
    process = Pinned(
        [_program("node"), str(folder / "build/start-server.js"), "--headless", f"--port={port}"],
        setting.folder,
        setting.core,
        NODE_ENV="production",
        TRUSTED_CUSTOM_HOSTS="127.0.0.1",
    )
    headers = (
        ("Authorization", f"Bearer {SECRET}"),
        ("x-portkey-provider", "openai"),
        ("x-portkey-custom-host", setting.base_url),
    )
    note = "the open gateway on Node, no state: no keys of its own, nothing is kept; hono 4.9.7, node-server 1.13.5"
    return Gateway("portkey", PORTKEY_VERSION, note, process, port, headers=headers).ready()


TARGETS: dict[str, Callable[[Setting], Gateway]] = {
    "talkmeter": talkmeter,
    "nginx": nginx,
    "litellm": litellm,
    "tensorzero": tensorzero,
    "portkey": portkey,
}


def install(name: str, cache: Path) -> None:
    """Installs a peer unless it is there already. Raises Missed, with the reason."""
    if name == "nginx" and not Path("/usr/sbin/nginx").exists():
        _run(["apt-get", "install", "-y", "nginx-light"])
    if name == "litellm":
        _install_wheel("litellm[proxy]", LITELLM_VERSION, cache / f"litellm-{LITELLM_VERSION}")
    if name == "tensorzero":
        _install_wheel("tensorzero", TENSORZERO_VERSION, cache / f"tensorzero-{TENSORZERO_VERSION}")
    if name == "portkey" and not _done(folder := cache / f"portkey-{PORTKEY_VERSION}").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text(json.dumps(PORTKEY), encoding="utf-8")
        _run([_program("npm"), "install", "--prefix", str(folder), "--no-fund", "--no-audit", "--silent"])
        _done(folder).touch()


def _install_wheel(package: str, version: str, folder: Path) -> None:
    if not _done(folder).exists():
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([str(folder / "bin/python"), "-m", "pip", "install", "--quiet", f"{package}=={version}"])
        _done(folder).touch()


def _done(folder: Path) -> Path:
    return folder / ".complete"


def _installed(folder: Path) -> Path:
    if not _done(folder).exists():
        raise Missed("not installed; --install fetches it from its registry")
    return folder


def _program(name: str) -> str:
    if (found := shutil.which(name)) is None:
        raise Missed(f"`{name}` is not on the PATH")
    return found


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            ["env", "-u", "PYTHONDONTWRITEBYTECODE", *command],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALL_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise Missed(f"`{' '.join(command)}` took more than {INSTALL_SECONDS} s") from None
    if done.returncode != 0:
        raise Missed(f"`{' '.join(command)}` failed: {(done.stderr or done.stdout).strip()[-400:]}")
