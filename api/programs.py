"""Programs: G-code files by their SHA-256. The operator adds them; nodes fetch them, resumed by Range after a cut."""

import asyncio
import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.responses import FileResponse

from api.deps import ControlDep
from api.problems import RangeError, ThrottledError, documented
from api.uploads import FILE_FIELD, uploaded
from farm.errors import NotFoundError
from farm.views import ProgramRequest, ProgramView

router = APIRouter(prefix="/programs", tags=["programs"])

MAX_UPLOADS: Final = 4  # at once
_Sha256Path = Annotated[str, Path(pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the file, in lower-case hexadecimal")]
_ONE_RANGE: Final = re.compile(r"bytes=(?:(\d{1,15})-(\d{0,15})|-(\d{1,15}))")


def _form_schema() -> dict[str, Any]:
    schema = ProgramRequest.model_json_schema()
    schema["properties"] = {**schema["properties"], FILE_FIELD: {"type": "string", "format": "binary", "title": "The G-code file"}}
    schema["required"] = [*schema["required"], FILE_FIELD]
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.get("")
async def list_programs(control: ControlDep) -> list[ProgramView]:
    """All programs."""
    return control.programs()


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": ProgramView, "description": "The farm has this program already"},
        **documented(400, 404, 408, 409, 413, 422, 429, 507),
    },
    openapi_extra=_form_schema(),
)
async def add_program(request: Request, response: Response, control: ControlDep) -> ProgramView:
    """Add a G-code file: multipart/form-data, the fields in any order. The same file again changes nothing and answers 200."""
    state = request.app.state
    if state.uploads.locked():
        raise ThrottledError(
            f"{MAX_UPLOADS} files are being uploaded already.", next_step="Wait for one of them.", headers={"Retry-After": "10"}
        )
    async with (
        state.uploads,
        uploaded(
            request,
            control.incoming_folder,
            max_file_bytes=state.settings.http.max_upload_bytes,
            reserve_bytes=state.settings.http.upload_reserve_bytes,
        ) as (path, fields),
    ):
        try:
            wanted = ProgramRequest.model_validate({name: value for name, value in fields.items() if value})
        except ValidationError as error:
            raise RequestValidationError([{**problem, "loc": ("body", *problem["loc"])} for problem in error.errors()]) from error
        known = {program.sha256 for program in control.programs()}
        view = await control.add_program(path, wanted)
    response.status_code = 200 if view.sha256 in known else 201
    response.headers["Location"] = f"/api/v1/programs/{view.sha256}"
    return view


@router.get("/{sha256}", responses=documented(404, 422))
async def read_program(sha256: _Sha256Path, control: ControlDep) -> ProgramView:
    """One program."""
    for program in control.programs():
        if program.sha256 == sha256:
            return program
    raise NotFoundError("There is no such program.", next_step="GET /api/v1/programs lists them all.")


def _whole_file(request: Request, size_bytes: int, etag: str) -> bool:
    """Whether to answer with the whole file: no Range, one that cannot be read, several at once, or If-Range of another file.

    Raises:
        RangeError: the one range begins behind the end (RFC 9110, 14.4).

    """
    match = _ONE_RANGE.fullmatch(request.headers.get("range", ""))
    if match is None or request.headers.get("if-range", etag) != etag:
        return True
    first, last, suffix = match.groups()
    if first is not None and last and int(last) < int(first):
        return True
    if (int(first) >= size_bytes) if first is not None else int(suffix) == 0:
        raise RangeError(
            f"The file has {size_bytes} bytes.",
            next_step="Fetch the whole file again.",
            headers={"Content-Range": f"bytes */{size_bytes}"},
        )
    return False


@router.get(
    "/{sha256}/file",
    response_class=FileResponse,
    responses={
        200: {"content": {"text/x-gcode": {"schema": {"type": "string", "format": "binary"}}}},
        206: {"description": "The part that Range asked for"},
        304: {"description": "Unchanged: the ETag is the SHA-256"},
        **documented(404, 416, 422),
    },
)
async def download_program(sha256: _Sha256Path, request: Request, control: ControlDep) -> Response:
    """The G-code itself. Nodes show their id and password as HTTP basic credentials."""
    return await program_file(control.program_file(sha256), sha256, request)


async def program_file(path: Any, sha256: str, request: Request) -> Response:
    """Answer with a file of the library, whole or the one range asked for."""
    etag = f'"{sha256}"'
    headers = {"ETag": etag, "Cache-Control": "private, max-age=31536000, immutable"}
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    stat = await asyncio.to_thread(path.stat)
    if _whole_file(request, stat.st_size, etag):
        request.scope["headers"] = [pair for pair in request.scope["headers"] if pair[0] != b"range"]
    return FileResponse(path, media_type="text/x-gcode", filename=f"{sha256}.gcode", headers=headers, stat_result=stat)
