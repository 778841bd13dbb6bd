import pytest

from drivers.errors import PrinterBusyError
from drivers.octoprint.terminal import MAX_LINES, Conversation, checked


@pytest.mark.parametrize("line", ["", "  ", "M105\nM112", "M117 \x1b[31m", "M117 é", "G1 " + "X" * 300])
def test_what_is_no_line_is_not_sent(line: str) -> None:
    with pytest.raises(PrinterBusyError) as caught:
        checked(line)
    assert caught.value.detail_fr != caught.value.detail


def test_a_line_is_stripped() -> None:
    assert checked(" M105 \n") == "M105"


def begun(line: str = "M115") -> Conversation:
    conversation = Conversation(line)
    conversation.begin()
    return conversation


def test_the_answer_is_what_comes_after_our_line_up_to_ok() -> None:
    conversation = begun()
    conversation.hear(["Recv: T:20", "Send: M155 S2", "Recv: ok", "Send: M115", "Recv: FIRMWARE_NAME:Marlin"])
    assert not conversation.done.is_set()
    conversation.hear(["Recv: wait", "Recv: Cap:X:1", "Recv: ok", "Recv: late"])
    assert conversation.done.is_set()
    assert conversation.said == ["FIRMWARE_NAME:Marlin", "Cap:X:1", "ok"]


def test_lines_of_before_are_not_the_answer() -> None:
    conversation = Conversation("M115")
    conversation.hear(["Send: M115", "Recv: old", "Recv: ok"])
    assert conversation.heard.is_set()
    conversation.begin()
    conversation.hear(["Send: M115", "Recv: new", "Recv: ok"])
    assert conversation.said == ["new", "ok"]


@pytest.mark.parametrize("sent", ["Send: N7 G1 X5*33", "Send: g1  x5", "Send: G1 X5"])
def test_our_line_is_known_with_number_checksum_and_other_spaces(sent: str) -> None:
    conversation = begun("G1 X5")
    conversation.hear([sent, "Recv: ok T:20"])
    assert conversation.said == ["ok T:20"]


def test_a_printer_that_never_stops_talking_is_heard_for_a_while() -> None:
    conversation = begun()
    conversation.hear(["Send: M115"] + ["Recv: bla"] * 1000)
    assert conversation.done.is_set()
    assert len(conversation.said) == MAX_LINES
