"""Backups: copies of the daemon's database."""

from typing import Annotated

from fastapi import APIRouter, Path
from starlette.responses import FileResponse

from api.deps import ControlDep
from api.problems import documented
from farm.views import BackupView

router = APIRouter(prefix="/backups", tags=["backups"])

_SQLITE = "application/vnd.sqlite3"
_Name = Annotated[str, Path(max_length=120, pattern=r"^[A-Za-z0-9._-]+$")]


@router.get("")
async def list_backups(control: ControlDep) -> list[BackupView]:
    """All copies that are kept, newest first."""
    return await control.backups()


@router.post("", status_code=201, responses=documented(507))
async def make_backup(control: ControlDep) -> BackupView:
    """Copy the database while the farm goes on. The copy is checked before it gets its name."""
    return await control.backup()


@router.get("/{name}/file", response_class=FileResponse, responses={200: {"content": {_SQLITE: {}}}, **documented(404, 422)})
async def download_backup(name: _Name, control: ControlDep) -> FileResponse:
    """The copy itself. It holds the whole farm, hashes of passwords too: keep it like a key."""
    return FileResponse(await control.backup_file(name), media_type=_SQLITE, filename=name)
