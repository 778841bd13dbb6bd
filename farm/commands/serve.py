"""`farm serve`: the daemon."""

import errno
import gc
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from farm import log
from farm.addresses import is_loopback
from farm.config import AUTHORITY_FILE, OPERATOR_FILE, DaemonSettings, load
from farm.errors import ConfigurationError, FarmError
from farm.language import speaks_french, spoken, system_words
from farm.room import is_for_want_of_room
from gcode.texts import Bilingual

_ROOM_RETRY_S: Final = 5.0


def check_port(host: str, port: int) -> None:
    """Make sure that the HTTP port is free, before anything is started.

    Raises:
        ConfigurationError: another program listens there, or the address is not one of this machine.

    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise ConfigurationError(
                Bilingual(
                    f"{host} is no name or address of this machine, so nothing can listen on it.",
                    f"{host} n'est ni un nom ni une adresse de cette machine : rien ne peut y écouter.",
                ),
                next_step=Bilingual(
                    "Set [http] host in farm.toml to one of its addresses, or to 0.0.0.0 for all of them.",
                    "Mettez dans farm.toml, [http] host, une de ses adresses, ou 0.0.0.0 pour toutes.",
                ),
                code="foreign-host",
            ) from error
        raise ConfigurationError(
            Bilingual(
                f"Cannot listen on {host} port {port}: {error.strerror or error}.",
                f"Impossible d'écouter sur {host}, port {port} : {system_words(error).fr}.",
            ),
            next_step=Bilingual(
                "Stop the program that uses it, or choose another with [http] port in farm.toml or --port.",
                "Arrêtez le programme qui l'utilise, ou choisissez-en un autre avec [http] port dans farm.toml ou --port.",
            ),
        ) from error


def _check_free(settings: DaemonSettings) -> None:
    """See that the data folder and all ports are free. The folder first: who started one daemon twice is told so."""
    from farm.daemon.daemon import check_broker_ports  # noqa: PLC0415 - only this command runs a daemon
    from farm.daemon.lock import check_unused  # noqa: PLC0415

    check_unused(settings.data)
    check_port(settings.http.host, settings.http.port)
    check_broker_ports(settings)


def _certificate(settings: DaemonSettings) -> tuple[Path | None, Path | None]:
    """The certificate and key with which the daemon answers; none on loopback."""
    if is_loopback(settings.http.host):
        return None, None
    from farm.certificates import ensure_certificates, server_names  # noqa: PLC0415 - cryptography is 10 MB of memory

    names = server_names(settings.http.host, settings.http.names)
    found = ensure_certificates(settings.data / "keys", names, farm=settings.farm.name)
    return found.certificate, found.key


def ready_line(settings: DaemonSettings) -> Bilingual:
    """What a person is told when the daemon is ready: where its page is, and what one needs to get there from elsewhere."""
    host, port = settings.http.host, settings.http.port
    if is_loopback(host):
        url = f"http://{_bracketed(host)}:{port}/"
        return Bilingual(f"Ready. The page of the farm: {url}", f"Prêt. La page de la ferme : {url}")
    from farm.certificates import server_names  # noqa: PLC0415 - as above

    url = f"https://{_bracketed(server_names(host, settings.http.names)[0])}:{port}/"
    token, authority = settings.data.resolve() / OPERATOR_FILE, settings.data.resolve() / AUTHORITY_FILE
    return Bilingual(
        f"Ready. The page of the farm: {url} Sign in with {token}; browsers and commands elsewhere trust {authority}.",
        f"Prêt. La page de la ferme : {url} Connectez-vous avec {token} ; ailleurs, pages et commandes se fient à {authority}.",
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def serve(
    config: Annotated[Path | None, typer.Option(help="farm.toml; without it FARM_CONFIG, or the defaults.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder, instead of the configuration's.")] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port, instead of the configuration's.")] = None,
) -> None:
    """Run the daemon: scheduler, store, broker, HTTP API and pages."""
    if config is not None:
        os.environ["FARM_CONFIG"] = str(config.resolve())
    if data is not None:
        os.environ["FARM_DATA"] = str(data.resolve())
    if port is not None:
        os.environ["FARM_HTTP__PORT"] = str(port)
    named = os.environ.get("FARM_CONFIG")  # which the application reads too
    settings = load(DaemonSettings, Path(named) if named else None)
    with _collecting_later():
        _check_free(settings)
        log.configure(level=settings.log.level, json=settings.log.json_lines, french=speaks_french())
        _serve_with_room(settings)


def _serve_with_room(settings: DaemonSettings) -> None:
    waits = False
    while (error := _serve_once(settings)) is not None:
        if not is_for_want_of_room(error):
            raise error
        if not waits:
            waits = True
            waiting = Bilingual(
                f"{error.detail} The daemon waits for room on the disk, and starts then. Ctrl-C ends it.",
                f"{error.detail_fr} Le démon attend de la place sur le disque, et démarre alors. Ctrl-C l'arrête.",
            )
            typer.echo(spoken(waiting), err=True)
        time.sleep(_ROOM_RETRY_S)


@contextmanager
def _collecting_later() -> Iterator[None]:
    """No garbage is looked for until the start is over: what is imported stays, and to look through it is an eighth of its time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _collect_again(*, started: bool) -> None:
    """Look for garbage as ever, but not among what a start has made: it stays until the end. One that failed has left garbage."""
    if started:
        gc.freeze()
    gc.enable()


def _serve_once(settings: DaemonSettings) -> FarmError | None:
    """Run the daemon until it is told to end (None), or could not start."""
    import uvicorn  # noqa: PLC0415 - loaded by this command only

    try:
        certificate, key = _certificate(settings)
    except FarmError as error:
        return error

    class Server(uvicorn.Server):
        """Says where its page is as soon as it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            try:
                await super().startup(sockets=sockets)
            finally:
                _collect_again(started=self.started)
            if self.started:
                typer.echo(spoken(ready_line(settings)))

    server = Server(
        uvicorn.Config(
            "api.app:create_app",
            factory=True,
            host=settings.http.host,
            port=settings.http.port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            log_config=None,
            proxy_headers=False,  # who asks decides what they may, so nobody else may say who asks
            ws="websockets-sansio",
            ws_max_size=4096,  # a page has nothing to say
            ws_per_message_deflate=False,  # it costs four times the CPU of a Raspberry Pi (docs/decisions/0005)
            timeout_graceful_shutdown=3,  # pages that are open must not hold up the end
            server_header=False,
        )
    )
    logging.getLogger("uvicorn.error").addFilter(_without_start_failure)  # adding it again changes nothing
    with suppress(SystemExit):  # uvicorn's way to say that the start failed
        server.run()
    if server.started:
        return None
    failure: FarmError | None = getattr(getattr(server.config.loaded_app, "state", None), "start_failure", None)
    return failure or ConfigurationError(
        Bilingual("The daemon could not start.", "Le démon n'a pas pu démarrer."),
        next_step=Bilingual("Its log above says why.", "Son journal ci-dessus dit pourquoi."),
    )


def _without_start_failure(record: logging.LogRecord) -> bool:
    """Leave out what uvicorn says of a failed start: a traceback of our own error, which is told in one line instead."""
    text = record.getMessage()
    return not (text.startswith("Traceback") and "farm.errors." in text) and not text.startswith("Application startup failed")


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(serve)
