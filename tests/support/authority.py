"""An authority of our own and certificates that it signs, made in memory for one test run."""

import datetime as dt
import ipaddress
import ssl
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(subject, issuer, key, days):
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 30 * DAY)
        .not_valid_after(now + days * DAY)
    )


@cache
def _authority():
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder("test authority", "test authority", key, 30)
    made = made.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    usage = x509.KeyUsage(*[False] * 5, True, True, False, False)  # signs certificates and lists of revoked ones
    made = made.add_extension(usage, critical=True)
    made = made.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    return key, made.sign(key, hashes.SHA256())


def trust():
    """A client's context that trusts this authority only."""
    _, certificate = _authority()
    pem = certificate.public_bytes(serialization.Encoding.PEM).decode()
    return ssl.create_default_context(cadata=pem)


def server(folder, *names, days=30):
    """A server's context with a certificate for these names and addresses."""
    signer, _ = _authority()
    key = ec.generate_private_key(ec.SECP256R1())
    made = _builder("a server", "test authority", key, days)
    made = made.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    made = made.add_extension(issuer, critical=False).sign(signer, hashes.SHA256())
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def _san(name):
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
