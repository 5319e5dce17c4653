"""The table of settings: the one place that says which there are. Documentation and command line come from it."""

import os
import sys
from pathlib import Path

from talkmeter.config import checks
from talkmeter.config.setting import Setting

GROUPS = {
    "server": ("Server", "서버"),
    "tls": ("TLS", "TLS"),
    "data": ("Data and keys", "데이터와 키"),
    "gateway": ("Gateway (`/v1`)", "게이트웨이(`/v1`)"),
    "grpc": ("gRPC", "gRPC"),
    "websocket": ("WebSocket", "WebSocket"),
    "provider": ("Provider from the environment", "환경 변수로 정하는 제공자"),
    "chat": ("Conversations (also on the page)", "대화 (페이지에서도 변경 가능)"),
    "page": ("Page (also on the page)", "화면 (페이지에서도 변경 가능)"),
    "simulator": ("Simulator", "시뮬레이터"),
    "limits": ("Limits", "제한"),
    "upstream": ("Time-outs towards providers", "제공자에 대한 제한 시간"),
    "logs": ("Logs", "로그"),
}

DATA_DIR_TEXT = (
    "`~/.local/share/talkmeter` (Linux), `~/Library/Application Support/talkmeter` (macOS), "
    "`%LOCALAPPDATA%\\talkmeter` (Windows)"
)


def default_data_dir() -> Path:
    """Where this platform keeps a program's data; `XDG_DATA_HOME` is honoured on Linux."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "talkmeter"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "talkmeter"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "talkmeter"


SERVER = (
    Setting(
        name="host",
        kind="text",
        default="localhost",
        group="server",
        help="Address to listen on. `localhost` is 127.0.0.1 and ::1. Any other needs a password (`talkmeter password`).",
        help_ko="요청을 받을 주소. `localhost`는 127.0.0.1과 ::1입니다. 다른 주소에는 비밀번호(`talkmeter password`)가 필요합니다.",
        minimum=1,
        maximum=255,
    ),
    Setting(
        name="port",
        kind="int",
        default=8640,
        group="server",
        help="Port to listen on; 0 takes any free one.",
        help_ko="요청을 받을 포트. 0이면 비어 있는 포트를 씁니다.",
        minimum=0,
        maximum=65535,
    ),
    Setting(
        name="allowed_hosts",
        kind="list",
        default=(),
        group="server",
        check=checks.host_names,
        help="Further names and addresses by which the page may be called, separated by commas, without a port; `host` itself is one already unless it means all addresses. Any other `Host` is refused.",
        help_ko="페이지를 부를 수 있는 이름과 주소를 포트 없이 쉼표로 구분해 추가합니다. `host`는 모든 주소를 뜻하지 않는 한 이미 들어 있습니다. 그 밖의 `Host`는 거절합니다.",
    ),
    Setting(
        name="allow_insecure",
        kind="bool",
        default=False,
        group="server",
        help="Serve plain HTTP beyond this machine. Only behind something that adds TLS, or in a network you trust.",
        help_ko="이 컴퓨터 밖으로도 암호화하지 않은 HTTP를 허용합니다. TLS를 더해 주는 서버 뒤나 믿을 수 있는 망에서만 쓰십시오.",
    ),
    Setting(
        name="workers",
        kind="int",
        default=1,
        group="server",
        help="How many processes answer `/v1`, one for each core. More than 1: the page has a process of its own beside them, and limits on connections and on what is read on for the bill are each process's own.",
        help_ko="`/v1`에 응답하는 프로세스의 수. 코어마다 하나가 알맞습니다. 1보다 크면 페이지는 따로 한 프로세스가 맡고, 연결 수와 청구를 위해 더 읽는 답변에 대한 제한은 프로세스마다 따로 셉니다.",
        minimum=1,
        maximum=64,
    ),
    Setting(
        name="shutdown_seconds",
        kind="float",
        default=30.0,
        group="server",
        minimum=0,
        maximum=3600,
        help="How long answers under way may go on when the server is stopped; then they are interrupted and settled. Whatever stops it (Docker: 10 s, systemd: 90 s) must wait longer. See docs/stopping.md.",
        help_ko="서버를 멈출 때 진행 중인 답변을 기다리는 시간(초). 지나면 중단하고 정산합니다. 서버를 멈추는 쪽(Docker: 10초, systemd: 90초)은 더 오래 기다려야 합니다. docs/stopping.md 참고.",
    ),
    Setting(
        name="open_browser",
        kind="bool",
        default=True,
        group="server",
        help="Open the sign-in link in a browser at start, where there is a display. `--open`, `--no-open`.",
        help_ko="시작할 때 화면이 있으면 브라우저로 로그인 링크를 엽니다. `--open`, `--no-open`.",
    ),
)

DATA = (
    Setting(
        name="data_dir",
        kind="path",
        default=None,
        default_text=DATA_DIR_TEXT,
        group="data",
        help="The folder with the database, the attachments, the key file and `talkmeter.toml`. Moving it moves everything.",
        help_ko="데이터베이스, 첨부 파일, 키 파일, `talkmeter.toml`이 있는 폴더. 이 폴더를 옮기면 모두 옮겨집니다.",
    ),
    Setting(
        name="config",
        kind="path",
        default=None,
        default_text="`talkmeter.toml` in the data directory",
        group="data",
        help="The settings file (TOML).",
        help_ko="설정 파일(TOML).",
    ),
    Setting(
        name="database_url",
        kind="secret",
        default=None,
        default_text="`talkmeter.db` in the data directory",
        group="data",
        flag=False,
        check=checks.database,
        help="Keep everything in PostgreSQL (`postgresql://user:password@host/database`), or in another file of SQLite (`sqlite:///FILE`).",
        help_ko="PostgreSQL(`postgresql://user:password@host/database`)이나 다른 SQLite 파일(`sqlite:///파일`)에 보관합니다.",
    ),
    Setting(
        name="key_file",
        kind="path",
        default=None,
        default_text="`talkmeter.key` in the data directory",
        group="data",
        help="The file with the key that encrypts provider keys; made at first use, readable by its owner only.",
        help_ko="제공자 키를 암호화하는 키 파일. 처음 쓸 때 만들며 소유자만 읽을 수 있습니다.",
    ),
    Setting(
        name="encryption_key",
        kind="secret",
        default=None,
        group="data",
        flag=False,
        help="The key itself instead of a key file: 32 bytes in base64 (`openssl rand -base64 32`).",
        help_ko="키 파일 대신 키 자체: base64로 적은 32바이트(`openssl rand -base64 32`).",
    ),
)

PROVIDER = (
    Setting(
        name="openai_api_key",
        kind="secret",
        default=None,
        group="provider",
        flag=False,
        environment=("OPENAI_API_KEY",),
        help="A key here makes a provider at start. It is used from memory and never stored.",
        help_ko="키가 있으면 시작할 때 제공자를 만듭니다. 메모리에서만 쓰고 저장하지 않습니다.",
    ),
    Setting(
        name="openai_admin_key",
        kind="secret",
        default=None,
        group="provider",
        flag=False,
        environment=("OPENAI_ADMIN_KEY",),
        help="Its admin key, with which `talkmeter reconcile` reads the provider's own books. Never stored.",
        help_ko="`talkmeter reconcile`이 제공자의 장부를 읽을 때 쓰는 관리자 키. 저장하지 않습니다.",
    ),
    Setting(
        name="openai_base_url",
        kind="text",
        default=None,
        default_text="`https://api.openai.com/v1`",
        group="provider",
        flag=False,
        environment=("OPENAI_BASE_URL",),
        help="Its base URL. Alone, without a key, it makes a provider too: `http://localhost:11434/v1` for Ollama.",
        help_ko="그 제공자의 기본 URL. 키 없이 이것만 있어도 제공자가 됩니다: Ollama는 `http://localhost:11434/v1`.",
    ),
)

CHAT = (
    Setting(
        name="default_model",
        kind="text",
        default="",
        default_text="`sim-fast` on the simulator, otherwise `gpt-4o-mini`",
        group="chat",
        page=True,
        maximum=200,
        environment=("GPT_ENGINE",),
        help="The model of new rooms.",
        help_ko="새 대화방의 모델.",
    ),
    Setting(
        name="default_provider_id",
        kind="text",
        default=None,
        default_text="the first that offers the model",
        group="chat",
        page=True,
        optional=True,
        maximum=64,
        help="The provider of new rooms.",
        help_ko="새 대화방의 제공자.",
    ),
    Setting(
        name="default_window",
        kind="int",
        default=5,
        group="chat",
        page=True,
        minimum=0,
        maximum=100_000,
        help="How many messages are sent, the question included; 0 sends all (maximum send message count).",
        help_ko="질문을 포함해 보내는 메시지 수. 0이면 모두 보냅니다(최대 전송 메시지 수).",
    ),
    Setting(
        name="default_system_prompt",
        kind="text",
        default="",
        group="chat",
        page=True,
        maximum=100_000,
        environment=("CUSTOM_BASE_PROMPT",),
        help="The system prompt of rooms that have none of their own.",
        help_ko="따로 정하지 않은 대화방의 시스템 프롬프트.",
    ),
    Setting(
        name="default_first_prompt",
        kind="text",
        default="",
        group="chat",
        maximum=100_000,
        environment=("FIRST_PROMPT",),
        help="Opens every conversation: goes out before its messages as the first of them, with an acknowledgement, whatever the window leaves out.",
        help_ko="모든 대화를 여는 글. 보내는 메시지 수와 관계없이 언제나 첫 메시지로, 알겠다는 응답과 함께 보냅니다.",
    ),
    Setting(
        name="assumed_encoding",
        kind="text",
        default="o200k_base",
        choices=("gpt2", "r50k_base", "p50k_base", "p50k_edit", "cl100k_base", "o200k_base", "o200k_harmony"),
        group="chat",
        environment=("ENCODING_NAME",),
        help="The encoding by which tokens of models are counted whose own is not known. Such counts are marked as estimates.",
        help_ko="자체 인코딩을 알 수 없는 모델의 토큰을 셀 때 쓰는 인코딩. 이렇게 센 값은 추정으로 표시합니다.",
    ),
    Setting(
        name="default_temperature",
        kind="float",
        default=None,
        default_text="the model's",
        group="chat",
        page=True,
        optional=True,
        minimum=0,
        maximum=2,
        help="Temperature; not sent when empty.",
        help_ko="온도(temperature). 비워 두면 보내지 않습니다.",
    ),
    Setting(
        name="default_top_p",
        kind="float",
        default=None,
        default_text="the model's",
        group="chat",
        page=True,
        optional=True,
        minimum=0,
        maximum=1,
        help="Nucleus sampling (top_p); not sent when empty.",
        help_ko="누적 확률 표본(top_p). 비워 두면 보내지 않습니다.",
    ),
    Setting(
        name="default_max_tokens",
        kind="int",
        default=None,
        default_text="the model's",
        group="chat",
        page=True,
        optional=True,
        minimum=1,
        maximum=10_000_000,
        help="The most tokens an answer may have; not sent when empty.",
        help_ko="답변의 최대 토큰 수. 비워 두면 보내지 않습니다.",
    ),
)

PAGE = (
    Setting(
        name="time_zone",
        kind="text",
        default="UTC",
        group="page",
        page=True,
        check=checks.time_zone,
        help="The time zone in which days, weeks and months of budgets begin, such as `Asia/Seoul`.",
        help_ko="예산의 하루, 한 주, 한 달이 시작되는 시간대. 예: `Asia/Seoul`.",
        maximum=100,
    ),
    Setting(
        name="currency",
        kind="text",
        default="USD",
        group="page",
        page=True,
        check=checks.currency,
        help="The currency in which money is shown. The ledger always keeps US dollars.",
        help_ko="금액을 표시할 통화. 원장은 언제나 미국 달러로 기록합니다.",
    ),
    Setting(
        name="currency_rate",
        kind="decimal",
        default=None,
        default_text="none",
        group="page",
        page=True,
        optional=True,
        minimum=0.000001,
        maximum=1_000_000_000,
        help="How many units of that currency one US dollar is. You set it; nothing is fetched. Without it money is shown in "
        "US dollars.",
        help_ko="1 미국 달러가 그 통화로 얼마인지. 직접 정하며, 어디에서도 가져오지 않습니다. 정하지 않으면 금액을 미국 달러로 표시합니다.",
    ),
    Setting(
        name="language",
        kind="text",
        default="auto",
        choices=("auto", "ko", "en"),
        group="page",
        page=True,
        help="The language of the page; `auto` follows the browser.",
        help_ko="화면의 언어. `auto`는 브라우저를 따릅니다.",
    ),
    Setting(
        name="theme",
        kind="text",
        default="auto",
        choices=("auto", "light", "dark"),
        group="page",
        page=True,
        help="Light or dark; `auto` follows the system.",
        help_ko="밝게 또는 어둡게. `auto`는 시스템을 따릅니다.",
    ),
)
