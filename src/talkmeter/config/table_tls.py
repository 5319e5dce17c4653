"""The part of the table about encryption towards clients, for every port."""

from talkmeter.config.setting import Setting

TLS = (
    Setting(
        name="tls_cert",
        kind="path",
        default=None,
        default_text="none: plain HTTP",
        group="tls",
        environment=("TALKMETER_TLS_CERT_FILE",),
        help="The server's certificate with its chain, a PEM file: every port then speaks TLS (1.2 or newer). A file that changes is taken up without a restart. See docs/tls.md.",
        help_ko="서버의 인증서와 체인이 든 PEM 파일. 지정하면 모든 포트가 TLS(1.2 이상)로만 통신합니다. 파일이 바뀌면 다시 시작하지 않아도 반영됩니다. docs/tls.md 참고.",
    ),
    Setting(
        name="tls_key",
        kind="path",
        default=None,
        default_text="in the file of tls_cert",
        group="tls",
        environment=("TALKMETER_TLS_KEY_FILE",),
        help="The private key of that certificate, a PEM file without a password.",
        help_ko="그 인증서의 개인 키가 든 PEM 파일. 암호가 걸려 있으면 안 됩니다.",
    ),
    Setting(
        name="tls_client_ca",
        kind="path",
        default=None,
        group="tls",
        environment=("TALKMETER_TLS_CLIENT_CA_FILE",),
        help="A PEM file of certificate authorities: only clients with a certificate that one of them has signed may connect (mTLS). They sign in or send an API key besides.",
        help_ko="인증 기관의 PEM 파일. 이 기관이 서명한 인증서를 가진 클라이언트만 접속할 수 있습니다(mTLS). 로그인이나 API 키는 그와 별도로 필요합니다.",
    ),
    Setting(
        name="hsts_seconds",
        kind="int",
        default=0,
        group="tls",
        minimum=0,
        maximum=63_072_000,
        help="How long browsers are told to use nothing but HTTPS for this host (`Strict-Transport-Security`); 0 tells them nothing. It counts for every port and every other service of that host name, so it is off by default.",
        help_ko="이 호스트에는 HTTPS만 쓰라고 브라우저에 알리는 기간(초, `Strict-Transport-Security`). 0이면 알리지 않습니다. 같은 호스트 이름의 모든 포트와 다른 서비스에도 적용되므로 기본값은 0입니다.",
    ),
)
