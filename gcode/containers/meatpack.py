"""MeatPack: G-code with its fifteen commonest characters in four bits each, two to a byte.

Written from the public description of the algorithm (the documents of OctoPrint-MeatPack): the low four bits are the first
character, 15 says that the whole character follows; two bytes 255 begin a command to the unpacker.
"""

import re
from enum import IntEnum
from typing import Final


class Command(IntEnum):
    """What may follow the signal."""

    SPACES = 246
    NO_SPACES = 247
    QUERY = 248  # asks a printer for its state
    RESET = 249
    DISABLE = 250
    ENABLE = 251


_SIGNAL: Final = b"\xff\xff"
_CHARACTERS: Final = b"0123456789. \nGX"
_NEW_LINE: Final = 12
_FOLLOWS: Final = 15
_MOST_REMEMBERED: Final = 20_000
# A byte with whole characters behind it (one or two), or one that stands for itself. 0xfc is a line feed and nothing after it.
_ONE_FOLLOWS: Final = re.escape(bytes({*range(0x0F, 0xFF, 16), *(set(range(0xF0, 0xFF)) - {0xFC})}))
_TOKENS: Final = re.compile(rb"\xff.{0,2}|[%b].?|[^\xff%b]" % (_ONE_FOLLOWS, _ONE_FOLLOWS), re.DOTALL)


class MeatPackError(ValueError):
    """The packed text cannot be read."""


class _Meanings(dict[bytes, bytes]):
    """What a token of one to three bytes stands for, found when it is first met."""

    def __init__(self, characters: bytes) -> None:
        super().__init__()
        self._characters = characters

    def __missing__(self, token: bytes) -> bytes:
        meaning = self._meaning(token)
        if len(self) < _MOST_REMEMBERED:
            self[token] = meaning
        return meaning

    def _meaning(self, token: bytes) -> bytes:
        first, second = token[0] & 15, token[0] >> 4
        if first == _NEW_LINE:
            return b"\n"
        if len(token) != 1 + (first == _FOLLOWS) + (second == _FOLLOWS):
            raise MeatPackError("it ends in the middle of a character")
        if first == second == _FOLLOWS:
            return token[1:]
        if first == _FOLLOWS:
            return bytes((token[1], self._characters[second]))
        if second == _FOLLOWS:
            return bytes((self._characters[first], token[1]))
        return bytes((self._characters[first], self._characters[second]))


_WITH_SPACES: Final = _Meanings(_CHARACTERS)
_WITHOUT_SPACES: Final = _Meanings(_CHARACTERS.replace(b" ", b"E"))


def unpacked(packed: bytes) -> bytes:
    """The text of one block, at most twice as long as `packed`. Every block begins unpacked, as the first command switches it on.

    Raises:
        MeatPackError: it ends in the middle of a character, or has a command that does not exist.

    """
    parts: list[bytes] = []
    packing, meanings = False, _WITH_SPACES
    place = 0
    while True:
        end = packed.find(_SIGNAL, place)
        piece = packed[place:] if end < 0 else packed[place:end]
        parts.append(b"".join(map(meanings.__getitem__, _TOKENS.findall(piece))) if packing else piece)
        if end < 0:
            return b"".join(parts)
        packing, meanings = _after(packed[end + 2 : end + 3], packing=packing, meanings=meanings)
        place = end + 3


def _after(command: bytes, *, packing: bool, meanings: _Meanings) -> tuple[bool, _Meanings]:
    match list(command):
        case [Command.ENABLE]:
            return True, meanings
        case [Command.DISABLE]:
            return False, meanings
        case [Command.RESET]:
            return False, _WITH_SPACES
        case [Command.QUERY]:
            return packing, meanings
        case [Command.NO_SPACES]:
            return packing, _WITHOUT_SPACES
        case [Command.SPACES]:
            return packing, _WITH_SPACES
    raise MeatPackError(f"there is no command {command.hex() or 'at its end'}")
