"""The part of the table that the gateway, `/v1`, goes by."""

from talkmeter.config import checks
from talkmeter.config.setting import Setting

ENDPOINTS = (
    "chat", "responses", "completions", "embeddings", "images", "audio", "moderations", "files", "batches",
    "vector_stores", "other",
)  # fmt: skip

GATEWAY = (
    Setting(
        name="gateway_endpoints",
        kind="list",
        default=ENDPOINTS,
        default_text="all of them",
        check=checks.names_among(ENDPOINTS),
        group="gateway",
        help="The endpoints below `/v1` that are switched on, separated by commas: " + ", ".join(ENDPOINTS) + ".",
        help_ko="`/v1` 아래에서 켤 엔드포인트를 쉼표로 구분해 적습니다: " + ", ".join(ENDPOINTS) + ".",
    ),
    Setting(
        name="gateway_local",
        kind="bool",
        default=True,
        group="gateway",
        help="Answer programs on this machine without a key (principal `local`).",
        help_ko="이 컴퓨터의 프로그램에는 키 없이도 응답합니다(주체 `local`).",
    ),
    Setting(
        name="gateway_members_share",
        kind="bool",
        default=False,
        group="gateway",
        help="Members' keys may use files, batches and whatever else all keys share with the provider.",
        help_ko="구성원의 키도 파일, 배치 등 제공자에 저장되어 모든 키가 함께 쓰는 것을 쓸 수 있습니다.",
    ),
    Setting(
        name="gateway_unseen",
        kind="bool",
        default=False,
        group="gateway",
        help="Let batches, assistants' runs, training and whatever else tells its cost only afterwards pass even where "
        "a hard budget applies; nothing is set aside for them.",
        help_ko="배치, 어시스턴트 실행, 학습처럼 비용을 나중에야 알 수 있는 요청을 엄격한 예산이 있어도 보냅니다. "
        "이를 위해 따로 잡아 두는 금액은 없습니다.",
    ),
    Setting(
        name="gateway_body_bytes",
        kind="int",
        default=64 << 20,
        group="gateway",
        minimum=10_000,
        maximum=1 << 30,
        help="The largest body that is read for its model, in bytes. Uploads of files are passed on unread.",
        help_ko="모델을 알아내려고 읽는 본문의 최대 바이트 수. 파일 업로드는 읽지 않고 전달합니다.",
    ),
    Setting(
        name="gateway_drain_calls",
        kind="int",
        default=200,
        group="gateway",
        minimum=0,
        maximum=100_000,
        help="How many answers at once are read on for the exact bill after their clients have left; others are cut.",
        help_ko="클라이언트가 떠난 뒤에도 정확한 청구를 위해 끝까지 읽는 답변의 최대 개수. 넘으면 끊습니다.",
    ),
    Setting(
        name="gateway_drain_seconds",
        kind="float",
        default=120.0,
        group="gateway",
        minimum=0,
        maximum=3600,
        help="How long each of them is read on.",
        help_ko="그런 답변 하나를 읽는 최대 시간(초).",
    ),
    Setting(
        name="gateway_drain_dollars",
        kind="float",
        default=20.0,
        group="gateway",
        minimum=0,
        maximum=1_000_000,
        help="What all of them together may cost at worst, in US dollars, as far as it was reckoned.",
        help_ko="그런 답변 모두가 최악의 경우 쓸 수 있는 금액(미국 달러, 계산된 만큼).",
    ),
    Setting(
        name="gateway_retry_after_seconds",
        kind="float",
        default=10.0,
        group="gateway",
        minimum=0,
        maximum=600,
        help="The longest `Retry-After` that is waited for before a route tries again; longer ones go to the client.",
        help_ko="경로를 다시 시도하기 전에 기다려 주는 `Retry-After`의 최댓값(초). 더 길면 클라이언트에 그대로 알립니다.",
    ),
)
