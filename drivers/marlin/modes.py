"""What a channel does, and why it looks for its place. Pure."""

from enum import Enum, auto


class Mode(Enum):
    """What the channel does."""

    CLOSED = auto()
    IDLE = auto()  # everything is acknowledged
    WAITING = auto()  # for the ok of one line or more
    SETTLE = auto()  # for quiet
    PROBE = auto()  # for Last Line
    RENUMBER = auto()  # for the ok of M110 N0
    FAILED = auto()  # `failure` says why


class Purpose(Enum):
    """Why we probe."""

    RESYNC = auto()  # find our place and go on
    LOCATE = auto()  # only learn the number: we have just connected
    RENUMBER = auto()  # verify that numbers begin at 0 again
