"""The part of the table about logs and telemetry."""

from talkmeter.config import checks
from talkmeter.config.setting import Setting

TARGETS = ("stderr", "stdout", "file")


LOGS = (
    Setting(
        name="log_level",
        kind="text",
        default="auto",
        choices=("auto", "debug", "info", "warning", "error"),
        group="logs",
        help="The least important line that is logged; `auto`: warnings on a terminal, infos (each request, run and call) elsewhere.",
        help_ko="기록할 가장 낮은 수준. `auto`: 터미널에서는 warning, 그 밖에는 info(요청, 실행, 호출마다 한 줄).",
    ),
    Setting(
        name="log_format",
        kind="text",
        default="auto",
        choices=("auto", "json", "text"),
        group="logs",
        help="`auto`: text on a terminal, JSON lines elsewhere. The log file always holds JSON lines.",
        help_ko="`auto`: 터미널에서는 텍스트, 그 밖에는 JSON 줄. 로그 파일은 언제나 JSON 줄입니다.",
    ),
    Setting(
        name="log_to",
        kind="list",
        default=("stderr",),
        default_text="`stderr`",
        group="logs",
        check=checks.names_among(TARGETS),
        help="Where log lines go, separated by commas: stderr, stdout, file. `talkmeter logs` reads the file.",
        help_ko="로그를 보낼 곳을 쉼표로 구분해 적습니다: stderr, stdout, file. `talkmeter logs`는 파일을 읽습니다.",
    ),
    Setting(
        name="log_file",
        kind="path",
        default=None,
        default_text="`talkmeter.log` in the data directory",
        group="logs",
        help="The log file, if log_to names file. Readable by its owner only.",
        help_ko="log_to에 file이 있을 때 쓰는 로그 파일. 소유자만 읽을 수 있습니다.",
    ),
    Setting(
        name="log_file_bytes",
        kind="int",
        default=10_000_000,
        group="logs",
        minimum=0,
        maximum=10_000_000_000,
        help="How large it may grow before a new one is begun; 0 never begins a new one.",
        help_ko="파일이 이 크기(바이트)를 넘으면 새 파일을 시작합니다. 0이면 시작하지 않습니다.",
    ),
    Setting(
        name="log_file_count",
        kind="int",
        default=5,
        group="logs",
        minimum=0,
        maximum=1000,
        help="How many earlier files are kept beside it: `talkmeter.log.1`, `.2` and so on.",
        help_ko="함께 남겨 두는 이전 파일의 수: `talkmeter.log.1`, `.2` 등.",
    ),
    Setting(
        name="log_calls",
        kind="bool",
        default=True,
        group="logs",
        help="One line for each call to a provider, once it is settled. It is written beside the ledger's writer, many at once, so no answer waits for it.",
        help_ko="제공자 호출이 정산될 때마다 한 줄을 남깁니다. 원장 기록 옆에서 한꺼번에 쓰므로 어떤 응답도 기다리지 않습니다.",
    ),
    Setting(
        name="log_content",
        kind="bool",
        default=False,
        group="logs",
        help="Also log what people write and what models answer, in the lines of runs. Off, it is never logged. What passes through `/v1` is not read and never logged.",
        help_ko="실행 로그에 사람이 쓴 글과 모델의 답변도 남깁니다. 꺼져 있으면 결코 남기지 않습니다. `/v1`로 지나가는 내용은 읽지 않으므로 남기지 않습니다.",
    ),
    Setting(
        name="otlp_endpoint",
        kind="text",
        default=None,
        group="logs",
        check=checks.http_url,
        help="Send traces and metrics of runs and calls there by OTLP over HTTP, such as `http://localhost:4318`. Needs `pip install 'talkmeter[otlp]'`, in a checkout `python3 dev extras otlp`.",
        help_ko="실행과 호출의 트레이스와 메트릭을 OTLP/HTTP로 보낼 곳. 예: `http://localhost:4318`. `pip install 'talkmeter[otlp]'`, 저장소에서는 `python3 dev extras otlp`가 필요합니다.",
        maximum=2000,
    ),
    Setting(
        name="otlp_headers",
        kind="secret",
        default=None,
        group="logs",
        flag=False,
        help="Headers for it, such as `authorization=Bearer%20abc,x-team=a`.",
        help_ko="함께 보낼 헤더. 예: `authorization=Bearer%20abc,x-team=a`.",
    ),
)
