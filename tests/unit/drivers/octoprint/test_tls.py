"""Encrypted connections against a real TLS server, for questions and for the live socket."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from drivers.errors import AddressError, DriverError, UnreachableError
from drivers.octoprint.address import OctoPrintAddress, parse_address
from drivers.octoprint.client import Client, Login
from drivers.octoprint.push import PushError, open_push
from drivers.octoprint.tls import LimitedTlsSocket, context_for
from tests.unit.drivers.octoprint.certificates import Issued, issue
from tests.unit.drivers.octoprint.fake import KEY, FakeOctoPrint

Serve = Callable[[Issued], AbstractAsyncContextManager[FakeOctoPrint]]


@pytest.fixture
def authority(tmp_path: Path) -> Issued:
    return issue(tmp_path, "Workshop CA", is_authority=True)


@asynccontextmanager
async def serving(certificate: Issued) -> AsyncIterator[FakeOctoPrint]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.file)
    fake = FakeOctoPrint()
    fake.tls = context
    await fake.listen()
    try:
        yield fake
    finally:
        await fake.close()


def test_a_server_that_goes_away_before_the_handshake_leaves_no_socket_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A socket is asked for its peer first: ssl would leave one open that has none any more."""
    closed: list[int] = []
    close = LimitedTlsSocket.close

    def noted(sock: LimitedTlsSocket) -> None:
        closed.append(sock.fileno())
        close(sock)

    monkeypatch.setattr(LimitedTlsSocket, "close", noted)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sock = socket.create_connection(listening.getsockname())
    descriptor = sock.fileno()  # reset by now: nobody has accepted it
    with sock, pytest.raises(OSError, match="reset"):
        context_for(None).wrap_socket(sock, server_hostname="127.0.0.1")
    assert closed[:1] == [descriptor]


def address_of(fake: FakeOctoPrint, folder: Path, ca_file: Path | None) -> OctoPrintAddress:
    (folder / "tls.key").write_text(KEY)
    option = f"&ca_file={ca_file}" if ca_file else ""
    return parse_address(urlsplit(f"octoprint+https://127.0.0.1:{fake.port}?key_file={folder}/tls.key{option}"))


async def refused(address: OctoPrintAddress) -> tuple[DriverError, PushError]:
    """What a question and the live socket say."""
    client = Client(address)
    with pytest.raises(DriverError) as asked:
        await asyncio.to_thread(client.probe)
    client.close()
    with pytest.raises(PushError) as pushed:
        async with open_push(address, Login("farm", "SESSIONSECRET")):
            pass
    return asked.value, pushed.value


async def test_our_own_authority_is_trusted_for_questions_and_for_the_socket(tmp_path: Path, authority: Issued) -> None:
    async with serving(issue(tmp_path, "127.0.0.1", by=authority)) as fake:
        address = address_of(fake, tmp_path, authority.file)
        client = Client(address)
        assert await asyncio.to_thread(client.probe) == "1.11.8"
        login = await asyncio.to_thread(client.passive_login)
        async with open_push(address, login, host=client.transport.peer, context=client.transport.context()) as (_push, history):
            assert history["state"]["text"] == "Operational"
        client.close()


async def test_an_authority_of_ours_is_the_only_one(tmp_path: Path, authority: Issued) -> None:
    other = issue(tmp_path, "Another CA", is_authority=True)
    async with serving(issue(tmp_path, "127.0.0.1", by=authority)) as fake:
        asked, pushed = await refused(address_of(fake, tmp_path, other.file))
    for error in (asked, pushed):
        assert "authority that we do not trust" in error.detail
        assert "autorité inconnue" in error.detail_fr
        assert "ca_file=" in error.next_step
        assert "ca_file=" in error.next_step_fr


@pytest.mark.parametrize(
    ("name", "days", "says", "dit"),
    [
        ("127.0.0.1", (-30, -1), "expired", "expiré"),
        ("127.0.0.1", (5, 30), "not valid yet", "pas encore valable"),
        ("10.0.0.9", (-1, 30), "another address", "autre adresse"),
        ("octopi.local", (-1, 30), "another address", "autre adresse"),
    ],
)
async def test_what_is_wrong_with_a_certificate_is_said(
    tmp_path: Path, authority: Issued, name: str, days: tuple[int, int], says: str, dit: str
) -> None:
    async with serving(issue(tmp_path, name, by=authority, days=days)) as fake:
        asked, pushed = await refused(address_of(fake, tmp_path, authority.file))
    assert isinstance(asked, UnreachableError)
    for error in (asked, pushed):
        assert says in error.detail
        assert dit in error.detail_fr
        assert error.next_step != error.next_step_fr


async def test_a_certificate_for_another_name(tmp_path: Path, authority: Issued) -> None:
    async with serving(issue(tmp_path, "octopi.local", by=authority)) as fake:
        url = f"octoprint+https://localhost:{fake.port}?key_file={tmp_path}/tls.key&ca_file={authority.file}"
        (tmp_path / "tls.key").write_text(KEY)
        asked, pushed = await refused(parse_address(urlsplit(url)))
    assert "another name" in asked.detail
    assert "another name" in pushed.detail


async def test_a_self_signed_certificate_is_refused_until_it_is_named(tmp_path: Path) -> None:
    itself = issue(tmp_path, "127.0.0.1")
    async with serving(itself) as fake:
        asked, pushed = await refused(address_of(fake, tmp_path, None))
        assert "nobody but itself" in asked.detail
        assert "nobody but itself" in pushed.detail
        client = Client(address_of(fake, tmp_path, itself.file))
        assert await asyncio.to_thread(client.probe) == "1.11.8"
        client.close()


async def test_a_server_without_encryption(fake: FakeOctoPrint, tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        fake.port = server.sockets[0].getsockname()[1]
        asked, pushed = await refused(address_of(fake, tmp_path, None))
    assert "speaks no TLS" in asked.detail
    assert "octoprint+http://" in asked.next_step
    assert "speaks no TLS" in pushed.detail


async def test_plain_questions_to_an_encrypted_server(tmp_path: Path, authority: Issued) -> None:
    async with serving(issue(tmp_path, "127.0.0.1", by=authority)) as fake:
        (tmp_path / "tls.key").write_text(KEY)
        client = Client(parse_address(urlsplit(f"octoprint+http://127.0.0.1:{fake.port}?key_file={tmp_path}/tls.key")))
        with pytest.raises(DriverError) as caught:
            await asyncio.to_thread(client.probe)
        client.close()
    assert caught.value.next_step


@pytest.mark.parametrize("content", [None, b"", b"not a certificate"])
def test_a_file_that_is_no_authority_is_named(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(AddressError, match=r"ca\.pem") as caught:
        context_for(file)
    assert "PEM" in caught.value.next_step_fr
