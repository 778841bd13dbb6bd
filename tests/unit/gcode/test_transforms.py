"""What is taken out of a program, and that nothing else is."""

from collections import Counter
from dataclasses import replace
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcode import transforms
from gcode.house import HouseBlocksError
from gcode.judges.comments import secret
from gcode.thumbnails import thumbnails
from gcode.transforms import SECRETS, THUMBNAILS, blocks, cleaned, strip_secrets, strip_thumbnails
from tests.gcode_files import real_files
from tests.unit.gcode.samples import SMALL, profile
from tests.unit.gcode.test_thumbnails import JPEG, PNG, block


def without_secrets(text: bytes) -> tuple[bytes, int]:
    counts: Counter[str] = Counter()
    return b"".join(strip_secrets([text], counts)), counts[SECRETS]


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("; printhost_apikey = 1234567890ABCDEF", "; printhost_apikey = "),
        (";printhost_apikey=abc", ";printhost_apikey="),
        ("; print_host = 192.168.1.20:5000", "; print_host = "),
        ("; print_host_webui = http://user:pass@octopi.local", "; print_host_webui = "),
        ("; printhost_user = anna", "; printhost_user = "),
        ("; printhost_password = hunter2 with spaces", "; printhost_password = "),
        ("; printhost_port = /dev/ttyUSB0", "; printhost_port = "),
        ("; printhost_cafile = /etc/ca.pem", "; printhost_cafile = "),
        ("; printhost_client_cert_password = x", "; printhost_client_cert_password = "),
        ("; octoprint_apikey = x", "; octoprint_apikey = "),
        ("; flashforge_serial_number = SN1", "; flashforge_serial_number = "),
        ("; physical_printer_settings_id = Anna's MK4", "; physical_printer_settings_id = "),
        ("; post_process = /usr/bin/send.py --key abc", "; post_process = "),
        ("; X-Api-Key: abc", "; X-Api-Key: "),
        ('; {"access_token": "abc", "x": 1}', '; {"access_token": '),
        ("; bambu_access_code = 123", "; bambu_access_code = "),
        ("; UserName: anna", "; UserName: "),
        ("G1 X1 ; token=abc", "G1 X1 ; token="),
        ("; sliced from /home/anna/visor.stl by X", "; sliced from /home/-/visor.stl by X"),
        (r"; C:\Users\Anna B\visor.3mf", r"; C:\Users\-\visor.3mf"),
        ("; file /Users/anna/visor.stl", "; file /Users/-/visor.stl"),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_secret_is_emptied_and_counted(line: str, left: str, end: str) -> None:
    assert without_secrets((line + end).encode()) == ((left + end).encode(), 1)
    assert secret(left.partition(";")[2]) is None


@pytest.mark.parametrize(
    "line",
    [
        "; printhost_apikey = ",
        '; printhost_apikey = ""',
        "; printhost_authorization_type = key",
        "; host_type = octoprint",
        "; printer_model = MK4",
        "; printer_settings_id = Original Prusa MK4",
        "; serial_number_of_layers = 5",
        "; gcode_flavor = marlin",
        "; end of code: good",
        "M117 token: abc",
        "G1 X1 Y2 E.3",
        "; start_gcode = G28\\nM117 hello",
        ";TYPE:Custom",
        "; home = /homeless/x",
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert without_secrets(line.encode() + b"\n") == (line.encode() + b"\n", 0)


def test_a_secret_behind_a_carriage_return_is_one_too() -> None:
    assert without_secrets(b"G28\r; printhost_apikey = abc\rG1 X1\r") == (b"G28\r; printhost_apikey = \rG1 X1\r", 1)


def test_pictures_are_left_out_and_the_rest_stays() -> None:
    text = (
        b"; generated\n"
        + block(PNG)
        + b"G28\n"
        + block(JPEG, "thumbnail_JPG")
        + b";simage:00\nM10086 ;00\nG1 X1\nW221\nW220 ff\nW222\nG1 X2"
    )
    counts: Counter[str] = Counter()
    left = b"".join(strip_thumbnails([text], counts))
    assert left == b"; generated\n;\nG28\n;\nG1 X1\nG1 X2"
    assert counts[THUMBNAILS] == 4
    assert thumbnails(BytesIO(left)) == []


def test_a_picture_over_several_pieces_goes_whole() -> None:
    text = b"G28\n" + block(PNG) + b"G1 X1\n"
    for size in (1, 7, 40, 200):
        lines = text.splitlines(keepends=True)
        pieces = [b"".join(lines[place : place + size]) for place in range(0, len(lines), size)]
        assert b"".join(strip_thumbnails(pieces, Counter())) == b"G28\n;\nG1 X1\n"


def test_a_picture_without_an_end_goes_up_to_the_next_command() -> None:
    text = b"; thumbnail begin 1x1 8\n; AAAA\nG28\n; a comment\n"
    assert b"".join(strip_thumbnails([text], Counter())) == b"G28\n; a comment\n"


def test_a_comment_over_several_pieces_leaves_no_command_behind() -> None:
    pieces = [b"G28\n;thumbnail: data:image/png;base64,AAAA", b"M104 S300", b" G1 X1\nG1 X2\n"]
    assert b"".join(strip_thumbnails(pieces, Counter())) == b"G28\nG1 X2\n"
    pieces = [b"G28\n; a long ", b"W220 ff", b" comment\nG1 X2\n"]
    assert b"".join(strip_thumbnails(pieces, Counter())) == b"".join(pieces)


def test_what_was_done_is_counted() -> None:
    done = cleaned(BytesIO(b"; printhost_apikey = x\n" + block(PNG) + SMALL.encode()), thumbnails=True)
    assert b"".join(done) == b"; printhost_apikey = \n;\n" + SMALL.encode()
    assert done.summary() == {"secrets": 1, "thumbnails": 1}


def test_pictures_stay_unless_they_are_to_go() -> None:
    done = cleaned(BytesIO(block(PNG)))
    assert b"".join(done) == block(PNG)
    assert done.summary() == {}


def test_real_files_stay_as_they_are() -> None:
    """None of them has a secret; some have pictures."""
    for path in real_files():
        if path.suffix == ".gcode":
            with path.open("rb") as file:
                done = cleaned(file)
                assert b"".join(done) == path.read_bytes(), path
                assert done.summary() == {}


def test_house_blocks_are_part_of_it() -> None:
    mine = replace(profile(), house_blocks=True)
    text = b"; token = x\nM104 S200\nM140 S60\nG28\nM83\n;LAYER_CHANGE\n" + b"G1 X10 Y10 Z0.2\nG1 X50 E2\n" + b"M104 S0\nM140 S0\n"
    done = cleaned(BytesIO(text), mine)
    left = b"".join(done)
    assert left.startswith(b"; token = \n")
    assert done.summary() == {"secrets": 1, "start-lines": 4, "end-lines": 2}
    with pytest.raises(HouseBlocksError):
        cleaned(BytesIO(SMALL.encode()), mine)


def test_a_profile_without_house_blocks_changes_nothing() -> None:
    assert b"".join(cleaned(BytesIO(SMALL.encode()), profile())) == SMALL.encode()


def test_a_line_without_end_is_passed_on_in_pieces() -> None:
    class Endless:
        left = 40

        def read(self, _size: int, /) -> bytes:
            self.left -= 1
            return b"x" * 262_144 if self.left >= 0 else b""

    sizes = [len(piece) for piece in blocks(Endless())]  # type: ignore[arg-type]  # only read is used
    assert sum(sizes) == 40 * 262_144
    assert max(sizes) < 2 * 1024**2


@given(
    st.lists(
        st.sampled_from(
            [
                b"G1 X1\n",
                b"; a\r\n",
                b"\r",
                b"\xff\xfe\n",
                b"; key = 1\n",
                b"\0",
                b"; thumbnail begin 1x1 4\n",
                b"; AAAA",
                b"\n",
                b"; thumbnail end\n",
            ]
        )
    ),
    st.booleans(),
)
def test_taking_out_twice_is_taking_out_once(parts: list[bytes], pictures: bool) -> None:
    once = b"".join(cleaned(BytesIO(b"".join(parts)), thumbnails=pictures))
    again = cleaned(BytesIO(once), thumbnails=pictures)
    assert b"".join(again) == once or pictures
    if not pictures:
        assert again.summary() == {}


@given(st.binary(max_size=500))
def test_bytes_of_any_kind_pass(content: bytes) -> None:
    assert len(b"".join(cleaned(BytesIO(content), thumbnails=True))) <= len(content)


@given(
    st.lists(st.sampled_from((b"G1 X1 E2\n", b"\n", b";" + b"c" * 30 + b"\n", b"x" * 90 + b"\n", b"\r\n", b"last")), max_size=12)
)
def test_pieces_are_the_whole_file_and_break_only_between_lines_or_in_long_ones(lines: list[bytes]) -> None:
    content = b"".join(lines)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transforms, "_CHUNK_BYTES", 16)
        patch.setattr(transforms, "_MAX_LINE_BYTES", 64)
        pieces = list(blocks(BytesIO(content)))
    assert b"".join(pieces) == content
    assert all(pieces), "none is empty"
    assert max(map(len, pieces), default=0) <= 64 + 16
    for piece in pieces[:-1]:
        assert piece.endswith(b"\n") or len(piece) > 64


def test_only_the_first_part_of_a_very_long_comment_is_searched_and_none_of_it_is_lost() -> None:
    comment = b";" + b"a " * 2100
    assert without_secrets(comment + b"api_key = 12345\n") == (comment + b"api_key = 12345\n", 0)
    early = b"; api_key = 12345 " + b"b " * 3000
    assert without_secrets(early + b"\n") == (b"; api_key = \n", 1)
    assert without_secrets(b"; /home/anna/x " + b"c " * 3000 + b"\n")[0] == b"; /home/-/x " + b"c " * 3000 + b"\n"
