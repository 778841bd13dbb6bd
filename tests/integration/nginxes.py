"""A real nginx before another server: a path prefix, TLS with an authority of its own, websockets passed or not."""

import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farm.addresses import free_port
from farm.certificates import ensure_certificates
from tests.integration.real import require
from tests.patience import PATIENCE_S

_START_TIMEOUT_S: Final = 30.0
_CONFIG: Final = """\
daemon off; pid {folder}/nginx.pid; error_log {folder}/error.log; worker_processes 1; user root;
events {{ worker_connections 64; }}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate}; ssl_certificate_key {key};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host; proxy_set_header X-Scheme $scheme;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
    location /octoprint/ {{
      proxy_set_header X-Script-Name /octoprint; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
      proxy_pass http://127.0.0.1:{target}/;
    }}
    location /without-websockets/ {{
      proxy_set_header X-Script-Name /without-websockets;
      proxy_pass http://127.0.0.1:{target}/;
    }}
    location /nobody-there/ {{ proxy_pass http://127.0.0.1:{nobody}/; }}
    location /moved/ {{ return 301 https://127.0.0.1:{port}/octoprint/; }}
    location /page/ {{ default_type text/html; return 200 "<html>Welcome to nginx!</html>"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Proxy:
    """Where it listens, and the certificate authority to trust."""

    port: int
    ca_file: Path


@contextlib.contextmanager
def nginx_before(target: int, folder: Path) -> Iterator[Proxy]:
    """Run nginx before the loopback port `target` until leaving."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    require("nginx", program is not None)
    keys = ensure_certificates(folder / "keys", ["127.0.0.1"])
    port = free_port()
    text = _CONFIG.format(folder=folder, port=port, target=target, nobody=free_port(), certificate=keys.certificate, key=keys.key)
    (folder / "nginx.conf").write_text(text)
    command = [str(program), "-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not _listens(port):
            assert process.poll() is None, (folder / "output.txt").read_text()
            assert time.monotonic() < deadline_s, "nginx does not listen"
            time.sleep(0.05)
        yield Proxy(port, keys.authority)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
