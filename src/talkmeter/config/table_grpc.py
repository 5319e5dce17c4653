"""The part of the table that the gRPC door goes by."""

from talkmeter.config.setting import Setting

GRPC = (
    Setting(
        name="grpc_port",
        kind="int",
        default=9000,
        group="grpc",
        minimum=0,
        maximum=65535,
        help="Port for gRPC, on the same addresses as `host`; 0 is off. A default port that is taken is gone without.",
        help_ko="gRPC 포트. `host`와 같은 주소에서 받으며 0이면 끕니다. 기본 포트를 다른 프로그램이 쓰고 있으면 gRPC 없이 시작합니다.",
    ),
    Setting(
        name="grpc_calls",
        kind="int",
        default=2000,
        group="grpc",
        minimum=1,
        maximum=1_000_000,
        help="How many gRPC calls are answered at a time; further ones are refused.",
        help_ko="동시에 응답하는 gRPC 호출 수. 넘는 호출은 거절합니다.",
    ),
    Setting(
        name="grpc_answer_seconds",
        kind="float",
        default=3600.0,
        group="grpc",
        minimum=1,
        maximum=604_800,
        help="The longest that one gRPC call may take, whatever its deadline; the answer goes on.",
        help_ko="마감 시한과 상관없이 gRPC 호출 하나가 이어질 수 있는 시간(초). 답변은 계속됩니다.",
    ),
    Setting(
        name="grpc_write_seconds",
        kind="float",
        default=30.0,
        group="grpc",
        minimum=0.1,
        maximum=3600,
        help="How long a gRPC client may leave an answer unread; then the call ends and the answer goes on.",
        help_ko="gRPC 클라이언트가 답변을 읽지 않고 둘 수 있는 시간(초). 지나면 호출을 끝내며 답변은 계속됩니다.",
    ),
)
