from drivers.marlin.identity import ASK_S, IDENTIFY_S, MAX_CAPABILITIES, MAX_QUEUED_ASKS, OFFLINE_ASK_S, STILL_BUSY_S, Identity
from drivers.marlin.replies import understand

ANSWER = [
    "FIRMWARE_NAME:Marlin 2.1.2 (May  1 2023) SOURCE_CODE_URL:x EXTRUDER_COUNT:2 UUID:y",
    "Cap:AUTOREPORT_TEMP:1",
    "Cap:SDCARD:1",
]


def _told(*lines: str) -> Identity:
    identity = Identity(until_s=10.0)
    for line in lines:
        assert not identity.learn(understand(line), 0.0)
    return identity


def test_an_answer_is_complete_with_its_ok() -> None:
    identity = _told(*ANSWER)
    assert identity.learn(understand("ok P15 B3"), 0.0)
    assert identity.firmware == "Marlin 2.1.2 (May  1 2023)"
    assert identity.extruders == 2
    assert identity.setup() == [b"M155 S1", b"M113 S2", b"M105", b"M27"]


def test_an_ok_without_a_name_is_no_answer() -> None:
    assert _told("ok").heard_noise


def test_a_plain_machine_is_polled() -> None:
    assert _told("FIRMWARE_NAME:Marlin 1.0").setup() == [b"M113 S2", b"M105"]


def test_the_time_is_over_once() -> None:
    identity = Identity(until_s=10.0)
    assert not identity.overdue(9.9)
    assert identity.ask_again_s == ASK_S
    assert identity.overdue(10.0)
    assert not identity.overdue(11.0)
    assert identity.ask_again_s == OFFLINE_ASK_S


def test_a_busy_machine_gets_more_time_and_few_questions() -> None:
    identity = Identity(until_s=1.0)
    asked = 0
    for second in range(60):
        identity.learn(understand("echo:busy: processing"), float(second))
        asked += identity.may_ask(float(second))
    assert identity.until_s == 59 + IDENTIFY_S
    assert asked == MAX_QUEUED_ASKS
    assert identity.may_ask(59 + STILL_BUSY_S)


def test_a_machine_that_never_stops_naming_capabilities_takes_no_memory() -> None:
    identity = _told(*(f"Cap:A{number}:1" for number in range(1000)))
    assert len(identity.capabilities) == MAX_CAPABILITIES
