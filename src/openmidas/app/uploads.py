"""The picture in a request, in memory from its first byte to its last: no file, no name."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from openmidas.app.problems import Problem

FIELD = "image"
BODY = {
    "required": True,
    "description": f"The picture: as it is, whatever its Content-Type, or in the field `{FIELD}` of a form.",
    "content": {
        "image/*": {"schema": {"type": "string", "format": "binary"}},
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}},
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": [FIELD],
                "properties": {FIELD: {"type": "string", "format": "binary"}},
            }
        },
    },
}
"""The request body in OpenAPI's words."""


async def read_picture(request: Request) -> bytes:
    """The picture's bytes, not yet looked at; raises Problem."""
    is_form = request.headers.get("content-type", "").lower().startswith("multipart/form-data")
    body = await request.body()
    picture = await _of_form(request, body) if is_form else body
    if not picture:
        where = f"in the field {FIELD!r}" if is_form else "as the body"
        raise Problem("no_picture", f"there is no picture in this request: send it {where}")
    return picture


async def _of_form(request: Request, body: bytes) -> bytes:
    parser = MultiPartParser(request.headers, _in_one_piece(body), max_files=1, max_fields=0)
    # all of it stays in memory, which is bounded: uploads are never laid on a disk
    parser.spool_max_size = len(body) + 1
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        detail = f"the form cannot be read ({error}): send one file, in the field {FIELD!r}"
        raise Problem("damaged_form", detail) from error
    try:
        upload = form.get(FIELD)
        return await upload.read() if isinstance(upload, UploadFile) else b""
    finally:
        await form.close()


async def _in_one_piece(body: bytes) -> AsyncGenerator[bytes, None]:
    yield body
