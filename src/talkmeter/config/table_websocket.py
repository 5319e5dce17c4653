"""The part of the table that the WebSocket door goes by."""

from talkmeter.config.setting import Setting

WEBSOCKET = (
    Setting(
        name="websocket_port",
        kind="int",
        default=9001,
        group="websocket",
        minimum=0,
        maximum=65535,
        help="Port of the plain-text WebSocket dialects, besides `/ws` on the main port; 0 switches it off. If the default is taken, the server starts without.",
        help_ko="텍스트 방식 WebSocket의 포트. 기본 포트의 `/ws`와 별도이며, 0이면 끕니다. 기본값을 이미 다른 프로그램이 쓰고 있으면 이 포트 없이 시작합니다.",
    ),
    Setting(
        name="websocket_end_mark",
        kind="bool",
        default=True,
        group="websocket",
        help="Answer a bare text with an end mark, as it ends the other dialects. Off for clients of the oldest dialect, which knows no end; `?dialect=v0` does the same for one of them.",
        help_ko="다른 방식과 같이 표식 없는 메시지에 대한 답변도 끝 표식으로 맺습니다. 끝 표식을 모르는 가장 오래된 클라이언트에는 끄거나 주소에 `?dialect=v0`을 붙이십시오.",
    ),
    Setting(
        name="websocket_message_bytes",
        kind="int",
        default=1 << 20,
        group="websocket",
        minimum=1024,
        maximum=256 << 20,
        help="The largest message that a client may send, in bytes.",
        help_ko="클라이언트가 보낼 수 있는 메시지 하나의 최대 바이트 수.",
    ),
    Setting(
        name="websocket_stall_seconds",
        kind="float",
        default=20.0,
        group="websocket",
        minimum=0.1,
        maximum=3600,
        help="A client that reads nothing for so long is closed with 1013.",
        help_ko="이 시간(초) 동안 아무것도 읽지 않는 클라이언트는 1013으로 끊습니다.",
    ),
    Setting(
        name="websocket_idle_seconds",
        kind="float",
        default=3600.0,
        group="websocket",
        minimum=1,
        maximum=604_800,
        help="A socket on which nothing was asked for so long is closed.",
        help_ko="이 시간(초) 동안 질문이 없는 연결은 닫습니다.",
    ),
    Setting(
        name="websocket_session_seconds",
        kind="float",
        default=3600.0,
        group="websocket",
        minimum=1,
        maximum=604_800,
        help="How long one socket of the Responses mode may last; what it has under way is answered first.",
        help_ko="Responses 방식의 연결 하나가 유지되는 최대 시간(초). 진행 중인 답변은 끝까지 보냅니다.",
    ),
)
