"""Certificates for tests: authorities that sign servers and clients, and files of them."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(name):
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def pem_of(key, password=None):
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)


class Authority:
    def __init__(self, name="tests"):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = _name(name)
        self.certificate = self._sign(self.name, self.key.public_key(), (), days=30, ca=True)

    @property
    def pem(self):
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def _sign(self, subject, key, names, days, ca=False):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, *names, days=30):
        """(certificate, key), both PEM. days: may be negative."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._sign(_name(names[0] if names else "nobody"), key.public_key(), names, days)
        return made.public_bytes(serialization.Encoding.PEM), pem_of(key)

    def trusting(self, *, client=None):
        """A client's context that trusts this authority. client: files of its own certificate and key."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if client is not None:
            context.load_cert_chain(*client)
        return context


class Files:
    """cert.pem and key.pem in a folder, as certbot or an operator writes them: replaced, never half-written."""

    def __init__(self, folder, authority, *names):
        self.authority = authority
        self.cert = folder / "cert.pem"
        self.key = folder / "key.pem"
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(authority.pem)
        self.renew(*(names or ("localhost", "127.0.0.1")))

    def renew(self, *names, days=30):
        cert, key = self.authority.issue(*names, days=days)
        self.put(cert, key)

    def put(self, cert, key):
        for path, data in ((self.cert, cert), (self.key, key)):
            beside = path.with_suffix(".new")
            beside.write_bytes(data)
            beside.replace(path)

    @property
    def options(self):
        return ["--tls-cert", str(self.cert), "--tls-key", str(self.key)]
