"""A host of our own: a network namespace with one cable to this machine. Needs root and iproute2."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from secrets import randbelow, token_hex

from tests.integration.real import require


@dataclass(frozen=True)
class OtherHost:
    """`outside` is its address, `inside` that of this machine on the cable."""

    name: str
    inside: str
    outside: str

    @property
    def prefix(self) -> list[str]:
        """What comes before a command that shall run there."""
        return ["ip", "netns", "exec", self.name]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@contextmanager
def other_host() -> Iterator[OtherHost]:
    """Make a namespace, a pair of virtual cables' ends and addresses; take all of it away at the end."""
    require("root with ip netns", os.geteuid() == 0 and shutil.which("ip") is not None)
    tag = token_hex(3)
    net = f"10.213.{randbelow(250)}"
    host = OtherHost(f"essaim-{tag}", f"{net}.1", f"{net}.2")
    near, far = f"es{tag}0", f"es{tag}1"
    _ip("netns", "add", host.name)
    try:
        _ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", host.name)
        _ip("addr", "add", f"{host.inside}/24", "dev", near)
        _ip("link", "set", near, "up")
        _ip("-n", host.name, "addr", "add", f"{host.outside}/24", "dev", far)
        _ip("-n", host.name, "link", "set", far, "up")
        _ip("-n", host.name, "link", "set", "lo", "up")
        yield host
    finally:
        subprocess.run(["ip", "link", "del", near], check=False, capture_output=True)
        subprocess.run(["ip", "netns", "del", host.name], check=False, capture_output=True)
