"""HTTP to one host, distrustfully: every request has limits of time and bytes, and every failure is a `DriverError`.

urllib3 directly and not the `requests` that octorest uses: no redirections, proxies, cookies or decompression to be switched off,
and the address that is connected to was checked before.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from http.client import BadStatusLine, HTTPException, RemoteDisconnected
from pathlib import Path
from socket import gaierror, socket
from ssl import SSLContext, SSLError
from typing import Any, Final

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError
from urllib3.exceptions import TimeoutError as WaitedTooLong

from drivers.errors import Bilingual, DriverError, NotAPrinterError, UnreachableError
from drivers.octoprint import tls
from drivers.octoprint.reach import connect

TIMEOUT_S: Final = (3.05, 10.0)  # connect (just over one TCP retransmission), then each wait for bytes
# beyond the first wait: a server that drips one byte every nine seconds does not hold a thread for hours
ANSWER_DEADLINE_S: Final = 30.0
MAX_ANSWER_BYTES: Final = 2 * 1024 * 1024
_MOST_BYTES: Final = 5 * 1024 * 1024  # of any answer, with its head: no allowance is larger
_CHUNK_BYTES: Final = 65_536

REACH_STEP: Final = Bilingual(
    "Check that OctoPrint is switched on, and the host and port in the printer's URL.",
    "Vérifiez qu'OctoPrint est allumé, ainsi que l'hôte et le port dans l'URL de l'imprimante.",
)
URL_STEP: Final = Bilingual(
    "Check the printer's URL: open it in a browser (without octoprint+), it must show OctoPrint.",
    "Vérifiez l'URL de l'imprimante : ouverte dans un navigateur (sans octoprint+), elle doit montrer OctoPrint.",
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. `headers` has lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class _Place:
    """What the connections of one transport share. `peer` is the address that was last connected to."""

    stranger: bool = False
    pinned: str | None = None
    peer: str | None = None

    def connect(self, connection: HTTPConnection) -> socket:
        try:
            timeout_s = connection.timeout if isinstance(connection.timeout, int | float) else TIMEOUT_S[0]
            sock = connect(self.pinned or connection.host, connection.port, timeout_s, stranger=self.stranger)
        except TimeoutError as error:
            raise ConnectTimeoutError(connection, "in vain") from error
        except OSError as error:
            raise NewConnectionError(connection, "refused") from error
        self.peer = sock.peer
        return sock


class _Placed(HTTPConnection):
    """Connects where `place` says, and gives up an answer that does not end."""

    place = _Place()

    def _new_conn(self) -> socket:
        return self.place.connect(self)

    def getresponse(self) -> Any:
        _limit(self.sock, self.timeout)
        return super().getresponse()


class _Encrypted(_Placed, HTTPSConnection):
    """The same by TLS."""


def _limit(sock: Any, timeout_s: Any) -> None:
    if sock is not None:
        sock.deadline_s = time.monotonic() + timeout_s + ANSWER_DEADLINE_S
        sock.left_bytes = _MOST_BYTES


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(16):
        if error is None:
            return
        yield error
        error = error.__cause__ or error.__context__


def unreachable(error: BaseException, authority: str) -> DriverError:
    """What a failed request to `authority` (host:port) means. The texts of `error` are for programmers: not repeated."""
    for cause in _causes(error):
        if isinstance(cause, DriverError):
            return cause
        if isinstance(cause, BadStatusLine) and not isinstance(cause, RemoteDisconnected):
            return _no_http(str(cause), authority)
        if isinstance(cause, SSLError):
            return tls.trouble(cause)
    if any(isinstance(cause, gaierror) for cause in _causes(error)):
        detail = Bilingual(f"There is no host of this name: {authority}.", f"Il n'y a pas d'hôte de ce nom : {authority}.")
    elif isinstance(error, WaitedTooLong | TimeoutError) and not isinstance(error, NewConnectionError):  # which is one, for urllib3
        detail = Bilingual(f"OctoPrint at {authority} did not answer in time.", f"OctoPrint ({authority}) n'a pas répondu à temps.")
    else:
        detail = Bilingual(f"OctoPrint at {authority} cannot be reached.", f"OctoPrint ({authority}) est injoignable.")
    return UnreachableError(detail, next_step=REACH_STEP)


def _no_http(said: str, authority: str) -> DriverError:
    # while it starts, OctoPrint's stand-in server answers these bytes without a status line
    if said.strip("'\"").startswith("Not found"):
        detail = Bilingual(f"OctoPrint at {authority} is still starting.", f"OctoPrint ({authority}) démarre encore.")
        return UnreachableError(detail, next_step=Bilingual("Wait a minute.", "Patientez une minute."))
    detail = Bilingual(f"What answers at {authority} does not speak HTTP.", f"Ce qui répond à {authority} ne parle pas HTTP.")
    return NotAPrinterError(detail, next_step=URL_STEP)


class Transport:
    """Requests to one host and port. Blocks; two threads may use it at the same time.

    `stranger`: the address was named by somebody else than the printer's owner (see `reach`). `pinned`: connect to this numerical
    address, whatever the name resolves to (it is still the name that a certificate has to have). `peer` is the numerical address
    that answered last, for whoever connects to the same host in another way.
    """

    def __init__(
        self, scheme: str, authority: str, *, ca_file: Path | None = None, stranger: bool = False, pinned: str | None = None
    ) -> None:
        self.authority = authority
        self._scheme = scheme
        self._ca_file = ca_file
        self._place = _Place(stranger, pinned)
        self._pool: urllib3.HTTPConnectionPool | None = None
        self._context: SSLContext | None = None
        self._is_closed = False

    @property
    def peer(self) -> str | None:
        """The numerical address that was connected to last."""
        return self._place.peer

    def context(self) -> SSLContext | None:
        """Whom to trust; None for plain HTTP.

        Raises:
            AddressError: the certificate authority's file cannot be used.

        """
        if self._scheme == "https" and self._context is None:
            self._context = tls.context_for(self._ca_file)
        return self._context

    def _open(self) -> urllib3.HTTPConnectionPool:
        if self._pool is None:
            host, _, port = self.authority.rpartition(":")
            pool: urllib3.HTTPConnectionPool
            if self._scheme == "https":
                pool = urllib3.HTTPSConnectionPool(host, int(port), maxsize=2, ssl_context=self.context(), retries=False)
                pool.ConnectionCls = type("Encrypted", (_Encrypted,), {"place": self._place})
            else:
                pool = urllib3.HTTPConnectionPool(host, int(port), maxsize=2, retries=False)
                pool.ConnectionCls = type("Plain", (_Placed,), {"place": self._place})
            self._pool = pool  # when it is whole: the other thread may take it at once
        return self._pool

    def close(self) -> None:
        """Close the connections: the idle ones now, others after their answer."""
        self._is_closed = True
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str],
        body: Iterable[bytes] | bytes | None = None,
        timeout_s: tuple[float, float] = TIMEOUT_S,
        most_bytes: int = MAX_ANSWER_BYTES,
    ) -> Answer:
        """Ask and read the whole answer, whatever its status. Redirections are answers like others.

        Raises:
            UnreachableError, NotAPrinterError, ReachError: see `unreachable`; no answer of OctoPrint is too long or compressed.
            AddressError: the certificate authority's file cannot be used.

        """
        try:
            response = self._open().urlopen(
                method,
                target,
                body=body,
                headers=headers,
                redirect=False,
                retries=False,
                timeout=urllib3.Timeout(connect=timeout_s[0], read=timeout_s[1]),
                assert_same_host=False,
                preload_content=False,
                decode_content=False,
            )
            try:
                return Answer(
                    response.status, {key.lower(): value for key, value in response.headers.items()}, _read(response, most_bytes)
                )
            finally:
                response.close()
                response.release_conn()
        except (HTTPError, HTTPException, OSError) as error:
            raise unreachable(error, self.authority) from error
        finally:
            if self._is_closed:
                self.close()


def _read(response: urllib3.BaseHTTPResponse, most_bytes: int) -> bytes:
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        # we asked for none; a few kilobytes can unpack into gigabytes
        raise NotAPrinterError(
            Bilingual(
                "The answer is compressed, unasked.",
                "La réponse est compressée sans que nous l'ayons demandé.",
            ),
            next_step=URL_STEP,
        )
    body = bytearray()
    for chunk in response.stream(_CHUNK_BYTES, decode_content=False):
        body += chunk
        if len(body) > most_bytes:
            raise NotAPrinterError(
                Bilingual("The answer is too long to be OctoPrint's.", "La réponse est trop longue pour être celle d'OctoPrint."),
                next_step=URL_STEP,
            )
    return bytes(body)
