"""What tests of the library's page send, and what they find."""

from api.testing import MemoryControl
from farm.request_bodies import ProgramRequest
from farm.views import ProgramView
from tests.browser.conftest import Page

GOOD, TRUSTED, REJECTED = b"G28\nG1 X1 Y2\n", b"G28\nM907 X500\nG1 X1\n", b"G28\nG1 X1\nM502\n"
MARKUP = "<script>window.hacked=1<script><img src=x onerror=window.hacked=1>"


def troubles(page: Page) -> list[str]:
    """What the browser's console says; that there is no picture of a program is no trouble."""
    return [row for row in page.complaints() if "preview.png" not in row]


async def add(control: MemoryControl, content: bytes, revision: str = "visor-r2", *, draft: bool = False) -> ProgramView:
    upload = control.incoming_folder / "upload"
    upload.write_bytes(content)
    request = ProgramRequest(design="visor", revision=revision, profile="generic-210", name=f"{revision}.gcode", draft=draft)
    return await control.add_program(upload, request)
