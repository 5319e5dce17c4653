"""`talkmeter cert` and what `talkmeter doctor` says of a certificate."""

import os
import ssl
import stat

import pytest
from cryptography import x509

from support.certificates import Authority, Files
from support.talkmeter_process import Browser, run, serving
from talkmeter.app.certificates import MOST_DAYS, make_certificate
from talkmeter.errors import BadInput


def test_what_it_makes_serves_and_is_trusted_by_its_authority_alone(tmp_path):
    status, said, _ = run("cert", "talk.local", "192.168.0.7", data_dir=tmp_path)
    assert status == 0
    cert, key, ca = (tmp_path / name for name in ("tls-cert.pem", "tls-key.pem", "tls-ca.pem"))
    assert f"talkmeter serve --tls-cert {cert} --tls-key {key}" in said
    assert f"curl --cacert {ca}" in said
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    with serving(tmp_path, "--tls-cert", cert, "--tls-key", key) as process:
        for host in ("127.0.0.1", "::1", "localhost"):
            assert Browser(process.port, host, context=context).request("GET", "/healthz")[0] == 200
        with pytest.raises(ssl.SSLCertVerificationError):
            Browser(process.port, context=ssl.create_default_context()).request("GET", "/healthz")


@pytest.mark.skipif(os.name != "posix", reason="file modes")
def test_the_key_is_its_owners_alone_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        assert run("cert", data_dir=tmp_path)[0] == 0
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.glob("tls-*")}
    assert modes == {"tls-key.pem": 0o600, "tls-cert.pem": 0o644, "tls-ca.pem": 0o644}


def test_one_that_is_there_is_replaced_only_when_that_is_said(tmp_path):
    assert run("cert", "--out", tmp_path / "out", data_dir=tmp_path)[0] == 0
    before = (tmp_path / "out/tls-cert.pem").read_bytes()
    status, _, said = run("cert", "--out", tmp_path / "out", data_dir=tmp_path)
    assert status == 1
    assert "--force" in said
    assert (tmp_path / "out/tls-cert.pem").read_bytes() == before
    assert run("cert", "--out", tmp_path / "out", "--force", data_dir=tmp_path)[0] == 0
    assert (tmp_path / "out/tls-cert.pem").read_bytes() != before


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "out").write_text("a file")
    status, _, said = run("cert", "--out", tmp_path / "out" / "below", data_dir=tmp_path)
    assert status == 2
    assert str(tmp_path / "out") in said


@pytest.mark.parametrize("name", ["http://talk.local", "talk.local:8640", "a b", "-a.example", "a..b", "x" * 64, ""])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(BadInput) as raised:
        make_certificate([name or "a", name], 30)
    assert raised.value.code == "bad_name"


def test_the_certificate_says_only_what_it_must():
    made = make_certificate(["Talk.Local", "*.talk.local", "[fd00::7]", "10.0.0.7"], MOST_DAYS)
    cert, ca = x509.load_pem_x509_certificates(made.cert)
    assert ca == x509.load_pem_x509_certificate(made.ca)
    names = cert.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["talk.local", "*.talk.local"]
    assert [str(one) for one in names.get_values_for_type(x509.IPAddress)] == ["fd00::7", "10.0.0.7"]
    assert (cert.not_valid_after_utc - cert.not_valid_before_utc).days == MOST_DAYS
    cert.verify_directly_issued_by(ca)
    limits = ca.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert (limits.ca, limits.path_length) == (True, 0)
    assert not cert.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def doctor_on(files, data_dir):
    said = run("doctor", *files.options, data_dir=data_dir)[1]
    return next(line for line in said.splitlines() if " TLS " in line)


def test_the_doctor_looks_at_the_certificate(tmp_path):
    files = Files(tmp_path, Authority(), "talk.example")
    files.key.chmod(0o600)
    assert doctor_on(files, tmp_path / "d").startswith("ok")
    files.key.chmod(0o644)
    assert "can be read by others" in doctor_on(files, tmp_path / "d")
    for days, mark, words in ((5, "note", "ends in"), (-2, "BAD", "has ended")):
        files.renew("talk.example", days=days)
        files.key.chmod(0o600)
        line = doctor_on(files, tmp_path / "d")
        assert line.startswith(mark)
        assert words in line
    files.put(*files.authority.issue())
    files.key.chmod(0o600)
    assert "for no name" in doctor_on(files, tmp_path / "d")
    files.key.write_text("nothing")
    assert "no private key" in doctor_on(files, tmp_path / "d")
