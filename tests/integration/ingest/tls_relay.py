"""TLS with client certificates in front of a broker that has none, and authorities that sign them."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_DAY = dt.timedelta(days=1)


class Authority:
    """Signs certificates."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        self.certificate = _signed(self._name, self._key, self._name, self._key, constraints)

    def write(self, ca: Path, certificate: Path, key: Path) -> int:
        """Write its own certificate, and a new one for 127.0.0.1 with its key; returns the new one's serial number."""
        own = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        signed = _signed(subject, own, self._name, self._key, here)
        ca.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM))
        certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
        key.write_bytes(
            own.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return signed.serial_number


def _signed(
    subject: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Name,
    issuers_key: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> x509.Certificate:
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(
        issuer, subject, key.public_key(), x509.random_serial_number(), now - _DAY, now + _DAY
    )
    return builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints)).sign(
        issuers_key, hashes.SHA256()
    )


class TlsRelay:
    """Listens on ``address``; :meth:`trust` an authority and :meth:`forward_to` a broker before clients come.

    Attributes:
        serials: of the certificates that clients have shown, one for each connection.
    """

    def __init__(self, directory: Path) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.serials: list[int] = []
        self._directory = directory
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._broker = ("", 0)

    def trust(self, authority: Authority) -> None:
        """New connections get a certificate of that authority, and need one."""
        ca, certificate, key = (self._directory / f"server-{part}.pem" for part in ("ca", "certificate", "key"))
        authority.write(ca, certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
        self._context = context

    def forward_to(self, address: str) -> None:
        host, port = address.split(":")
        self._broker = (host, int(port))
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            secured = self._context.wrap_socket(client, server_side=True)
        except OSError:  # ssl.SSLError is one: a client of another authority
            client.close()
            return
        self.serials.append(int(secured.getpeercert()["serialNumber"], 16))  # pyright: ignore
        broker = socket.create_connection(self._broker)
        threading.Thread(target=_copy, args=(broker, secured), daemon=True).start()
        _copy(secured, broker)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
    for end in (source, target):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
