"""A channel whose answers are given by hand, so that each rule is seen by itself."""

from drivers.marlin.channel import Channel
from drivers.marlin.lines import Frame, probe
from drivers.marlin.replies import understand


class Bench:
    """A channel whose machine is the test."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.sent: list[bytes] = []
        self.accepted: list[Frame] = []
        self.channel = Channel(self.sent.append, self.accepted.append)
        self.channel.renumber(self.now_s)
        self.hear("ok")
        self.quiet()
        self.hear("Error:Line Number is not Last Line Number+1, Last Line: 0", "Resend: 1", "ok")
        self.quiet()
        assert self.channel.idle
        self.sent.clear()

    def hear(self, *lines: str) -> None:
        for line in lines:
            self.channel.on_reply(understand(line), self.now_s)

    def quiet(self) -> None:
        """Let the channel's deadline pass."""
        assert self.channel.deadline_s is not None
        self.now_s = self.channel.deadline_s
        self.channel.on_timeout(self.now_s)

    def idle(self) -> bool:
        return self.channel.idle

    def room(self) -> bool:
        return self.channel.room

    def say(self, command: bytes) -> None:
        self.channel.send(command, self.now_s, offset=1)

    def last_line(self, number: int) -> None:
        """Answer the probe."""
        assert self.sent[-1] == probe()
        self.hear(f"Error:Line Number is not Last Line Number+1, Last Line: {number}", f"Resend: {number + 1}", "ok")
        self.quiet()
