import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from farm.addresses import free_port
from farm.bus.transport import Address, CertificateError, open_socket, parse_url, tls_context
from farm.certificates import ensure_certificates
from farm.errors import ConfigurationError, UnreachableError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://farm.local", Address("farm.local", 1883, tls=False)),
        ("mqtts://farm.local", Address("farm.local", 8883, tls=True)),
        ("mqtts://10.1.2.3:9000/", Address("10.1.2.3", 9000, tls=True)),
        ("mqtt://[::1]:1884", Address("::1", 1884, tls=False)),
    ],
)
def test_urls(url: str, address: Address) -> None:
    assert parse_url(url) == address
    assert parse_url(address.url) == address


@pytest.mark.parametrize(
    "url", ["", "farm.local", "http://farm.local", "mqtt://", "mqtt://h:99999", "mqtt://h:x", "mqtt://h/path", "mqtt://[::1"]
)
def test_what_is_no_url_of_a_broker(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url(url)
    assert "mqtts://HOST:8883" in caught.value.next_step


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_url("mqtt://user:hunter2@host")
    assert "hunter2" not in str(caught.value)


def test_nothing_listens_there() -> None:
    port = free_port()
    with pytest.raises(UnreachableError, match=f"127.0.0.1:{port}"):
        open_socket(Address("127.0.0.1", port, tls=False), None, 2)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 70])
def test_no_such_host(host: str) -> None:
    with pytest.raises(UnreachableError):
        open_socket(Address(host, 1883, tls=False), None, 2)


def test_a_ca_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"missing\.pem"):
        tls_context(tmp_path / "missing.pem")
    (tmp_path / "text.pem").write_text("hello")
    with pytest.raises(ConfigurationError, match=r"text\.pem"):
        tls_context(tmp_path / "text.pem")


@contextmanager
def tls_server(certificate: Path, key: Path) -> Iterator[int]:
    """Shakes hands with everybody who comes, until the end."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                raw, _ = listener.accept()
            except OSError:
                return
            with raw:
                try:
                    context.wrap_socket(raw, server_side=True).close()
                except OSError:
                    continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def connect(folder: Path, port: int, host: str = "127.0.0.1") -> None:
    open_socket(Address(host, port, tls=True), tls_context(folder / "ca.pem"), 5).close()


def test_the_farms_certificate_is_accepted_under_all_its_names(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path, ["127.0.0.1", "localhost"])
    with tls_server(made.certificate, made.key) as port:
        connect(tmp_path, port)
        connect(tmp_path, port, "localhost")


@pytest.mark.parametrize(
    ("made_ago", "says"),
    [(timedelta(days=-30), "clock of this machine"), (timedelta(days=500), "renews its certificate")],
)
def test_a_certificate_out_of_its_time_points_at_the_clock(tmp_path: Path, made_ago: timedelta, says: str) -> None:
    ensure_certificates(tmp_path, ["127.0.0.1"], now=datetime.now(UTC) - timedelta(days=600))  # the authority is valid all the time
    made = ensure_certificates(tmp_path, ["127.0.0.1", "x"], now=datetime.now(UTC) - made_ago)
    with tls_server(made.certificate, made.key) as port, pytest.raises(CertificateError) as caught:
        connect(tmp_path, port)
    assert says in caught.value.next_step


def test_another_name_and_another_authority_have_other_next_steps(tmp_path: Path) -> None:
    made = ensure_certificates(tmp_path / "ours", ["farm.example"])
    ensure_certificates(tmp_path / "theirs", ["127.0.0.1"])
    with tls_server(made.certificate, made.key) as port:
        with pytest.raises(CertificateError) as name:
            connect(tmp_path / "ours", port)
        with pytest.raises(CertificateError) as host:
            connect(tmp_path / "ours", port, "localhost")
        with pytest.raises(CertificateError) as authority:
            connect(tmp_path / "theirs", port)
    assert "this address to names in [http]" in name.value.next_step
    assert "cette adresse à names dans [http]" in name.value.next_step_fr
    assert "this host name to names in [http]" in host.value.next_step
    assert "join it again" in authority.value.next_step


def test_a_server_without_tls_is_told_apart() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        raw, _ = listener.accept()
        with raw:
            raw.recv(100)
            raw.sendall(b"\x20\x02\x00\x05 this is not TLS")

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with pytest.raises(CertificateError, match="does not speak TLS") as caught:
            open_socket(Address("127.0.0.1", listener.getsockname()[1], tls=True), tls_context(None), 5)
    finally:
        thread.join()
        listener.close()
    assert "TLS port" in caught.value.next_step
    assert "port TLS" in caught.value.next_step_fr


def test_a_server_that_goes_away_before_the_handshake_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is asked for its peer first: ssl would leave one open that has none any more."""
    context = tls_context(None)
    opened: list[int] = []
    closed: list[int] = []
    close, connect_to = context.sslsocket_class.close, socket.create_connection
    listener = socket.create_server(("127.0.0.1", 0))
    address = Address("127.0.0.1", listener.getsockname()[1], tls=True)

    def connect_and_lose(*arguments: Any, **options: Any) -> socket.socket:
        sock = connect_to(*arguments, **options)
        opened.append(sock.fileno())
        listener.close()  # resets what it has not accepted
        return sock

    def noted(sock: ssl.SSLSocket) -> None:
        closed.append(sock.fileno())
        close(sock)

    monkeypatch.setattr(socket, "create_connection", connect_and_lose)
    monkeypatch.setattr(context.sslsocket_class, "close", noted)
    with listener, pytest.raises(UnreachableError):
        open_socket(address, context, 5)
    assert closed[:1] == opened


def test_a_server_that_hangs_up_in_the_handshake() -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def hang_up() -> None:
        raw, _ = listener.accept()
        raw.close()

    thread = threading.Thread(target=hang_up)
    thread.start()
    try:
        with pytest.raises(UnreachableError):
            open_socket(Address("127.0.0.1", listener.getsockname()[1], tls=True), tls_context(None), 5)
    finally:
        thread.join()
        listener.close()
