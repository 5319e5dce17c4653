"""The certificate of a server: what may be used, what is refused and how that is said, and what changes while it runs."""

import asyncio
import logging
import ssl

import pytest

from support.certificates import Authority, Files, pem_of
from talkmeter.app.tls import Tls, TlsFiles, open_tls, watch
from talkmeter.config import resolve
from talkmeter.errors import SettingError


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path, Authority(), "talk.example", "*.talk.example", "10.0.0.7", "fd00::7")


def tls_of(files, client_ca=None):
    return Tls(TlsFiles(files.cert, files.key, client_ca))


def test_without_a_certificate_there_is_no_tls():
    assert open_tls(resolve({}, {})) is None


@pytest.mark.parametrize("name", ["tls_key", "tls_client_ca"])
def test_a_key_or_a_client_ca_alone_is_refused(name, tmp_path):
    with pytest.raises(SettingError) as raised:
        open_tls(resolve({name: str(tmp_path / "x.pem")}, {}))
    assert (raised.value.code, raised.value.param) == ("tls_incomplete", name)


@pytest.mark.parametrize("suffix", ["", "_FILE"])
def test_files_are_named_by_variables_with_and_without_file(files, suffix):
    environment = {f"TALKMETER_TLS_CERT{suffix}": str(files.cert), f"TALKMETER_TLS_KEY{suffix}": str(files.key)}
    tls = open_tls(resolve({}, environment))
    assert tls.files == TlsFiles(files.cert, files.key)
    assert tls.facts.names == ("talk.example", "*.talk.example", "10.0.0.7", "fd00::7")
    assert tls.facts.hosts == ("talk.example", "10.0.0.7", "[fd00::7]"), "a wildcard is no host"
    assert 28 <= tls.facts.days_left() <= 30


def test_one_file_may_hold_both(files):
    files.cert.write_bytes(files.cert.read_bytes() + files.key.read_bytes())
    assert open_tls(resolve({"tls_cert": str(files.cert)}, {})).files.key == files.cert


def test_the_context_is_for_tls_1_2_and_newer_and_asks_for_no_certificate(files):
    context = tls_of(files).context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_NONE


def test_with_client_cas_a_certificate_is_asked_for_and_grpc_gets_the_same_pieces(files):
    tls = tls_of(files, files.ca)
    assert tls.context().verify_mode == ssl.CERT_REQUIRED
    pieces = tls.grpc_credentials()
    assert (pieces.chain, pieces.key) == (files.cert.read_bytes(), files.key.read_bytes())
    assert pieces.client_ca == files.ca.read_bytes()


def _missing(files):
    files.cert.unlink()


def _of_another(files):
    files.key.write_bytes(files.authority.issue("x")[1])


def _locked(files):
    files.key.write_bytes(pem_of(files.authority.key, b"secret"))


def _no_key(files):
    files.key.write_text("nothing")


def _no_certificate(files):
    files.cert.write_text("nothing")


def _huge(files):
    files.cert.write_bytes(b"x" * 1_000_001)


def _no_client_ca(files):
    files.ca.write_text("nothing")


@pytest.mark.parametrize(
    ("spoil", "param", "why"),
    [
        (_missing, "tls_cert", "No such file"),
        (_of_another, "tls_key", "not the key of"),
        (_locked, "tls_key", "encrypted"),
        (_no_key, "tls_key", "no private key"),
        (_no_certificate, "tls_cert", "no certificate"),
        (_huge, "tls_cert", "too large"),
        (_no_client_ca, "tls_client_ca", "no certificate"),
    ],
)
def test_files_that_cannot_be_used_are_named_with_the_reason(files, spoil, param, why):
    spoil(files)
    with pytest.raises(SettingError) as raised:
        tls_of(files, files.ca)
    assert raised.value.code == "tls_unusable"
    assert raised.value.param == param
    assert why in raised.value.message
    assert raised.value.message_ko != raised.value.message
    assert "talkmeter cert" in raised.value.hint


async def test_the_log_says_until_when_new_files_are_good(files, caplog):
    caplog.set_level(logging.INFO, "talkmeter.app.tls")
    tls = tls_of(files)
    watching = asyncio.create_task(watch(tls, 0.01))
    files.renew("new.example")
    async with asyncio.timeout(20):
        while not (found := [record for record in caplog.records if record.message == "tls_reloaded"]):
            await asyncio.sleep(0.01)
    watching.cancel()
    assert found[0].until == tls.facts.until.isoformat()


def test_new_files_are_taken_up_once(files):
    tls = tls_of(files)
    before = tls.context(), tls.grpc_credentials()
    assert not tls.reload()
    files.renew("new.example")
    assert tls.reload()
    assert not tls.reload()
    assert tls.revision == 2
    assert tls.facts.names == ("new.example",)
    assert tls.context() is not before[0]
    assert tls.grpc_credentials().chain == files.cert.read_bytes() != before[1].chain


def test_a_new_certificate_whose_key_is_not_there_yet_changes_nothing_and_is_said_once(files):
    tls = tls_of(files)
    context = tls.context()
    cert, key = files.authority.issue("new.example")
    files.cert.write_bytes(cert)
    with pytest.raises(SettingError, match="not the key"):
        tls.reload()
    assert not tls.reload(), "said already"
    assert tls.context() is context
    files.key.write_bytes(key)
    assert tls.reload()
    assert tls.facts.names == ("new.example",)


def test_a_certificate_that_is_gone_for_a_moment_changes_nothing(files):
    tls = tls_of(files)
    files.cert.unlink()
    with pytest.raises(SettingError):
        tls.reload()
    files.renew("again.example")
    assert tls.reload()
    assert tls.facts.names == ("again.example",)
