"""Uploads that mean harm, made by code."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from live import small_photo
from PIL import Image

SECRET = b"<script>alert(1)</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/><script>alert(1)</script></svg>'


def png(width: int, height: int, pixels: bytes = b"", extra: bytes = b"") -> bytes:
    """A PNG that claims this size."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", pixels or zlib.compress(bytes(1 << 20), 9))
    return b"\x89PNG\r\n\x1a\n" + header + extra + data + chunk(b"IEND", b"")


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def text_bomb() -> bytes:
    """A small PNG with 200 MB of text, compressed to 200 kB."""
    return png(
        64, 64, zlib.compress(bytes(64 * 193)), chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200 << 20), 9))
    )


def jpeg_of_claimed_size(side_px: int) -> bytes:
    data = bytearray(small_photo())
    start = data.index(b"\xff\xc0") + 5
    data[start : start + 4] = struct.pack(">HH", side_px, side_px)
    return bytes(data)


def zip_after_png() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as written:
        written.writestr("evil.html", SECRET)
    return small_photo("PNG") + archive.getvalue()


def script_in_jpeg_comment() -> bytes:
    photo = small_photo()
    return photo[:2] + b"\xff\xfe" + struct.pack(">H", len(SECRET) + 2) + SECRET + photo[2:]


def huge_exif() -> bytes:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x010E] = "x" * 60_000
    Image.open(io.BytesIO(small_photo())).save(stream, "JPEG", exif=exif)
    return stream.getvalue()


def broken_exif() -> bytes:
    photo = small_photo()
    content = b"Exif\0\0MM\0*" + b"\xff" * 400
    return photo[:2] + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + photo[2:]


def animated() -> bytes:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (96, 64), colour) for colour in ("red", "green", "blue")]
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def cmyk() -> bytes:
    stream = io.BytesIO()
    Image.open(io.BytesIO(small_photo())).convert("CMYK").save(stream, "JPEG")
    return stream.getvalue()


def tiff_of_claimed_size() -> bytes:
    tags = [
        (256, 3, 60_000),
        (257, 3, 60_000),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (273, 4, 8),
        (279, 4, 9),
    ]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", len(tags)) + entries + bytes(4)


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (bytes, "no_picture"),
    "one byte": (lambda: b"\xff", "unreadable_picture"),
    "a truncated JPEG": (lambda: small_photo()[:700], "unreadable_picture"),
    "a truncated PNG": (lambda: small_photo("PNG")[:3000], "unreadable_picture"),
    "a PNG bomb": (lambda: png(50_000, 50_000), "too_many_pixels"),
    "a PNG that claims 2^31 pixels a side": (lambda: png(2**31 - 1, 2**31 - 1), "too_many_pixels"),
    "a PNG of 0 pixels": (lambda: png(0, 0), "unreadable_picture"),
    "a JPEG that claims 65,535 pixels a side": (lambda: jpeg_of_claimed_size(65_535), "too_many_pixels"),
    "a TIFF that claims 60,000 pixels a side": (tiff_of_claimed_size, "too_many_pixels"),
    "a PPM that claims a billion pixels": (lambda: b"P6 99999 99999 255 ", "too_many_pixels"),
    "a PNG with too little data": (lambda: png(900, 900, zlib.compress(b"x")), "unreadable_picture"),
    "text that unpacks to 200 MB": (text_bomb, "unreadable_picture"),
    "SVG": (lambda: SVG, "unreadable_picture"),
    "HTML": (lambda: b"<!doctype html>" + SECRET, "unreadable_picture"),
    "PostScript": (lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n(%pipe%id) (r) file\n", "unreadable_picture"),
    "a ZIP": (lambda: b"PK\3\4" + bytes(100), "unreadable_picture"),
    "a path": (lambda: b"/etc/passwd", "unreadable_picture"),
    "a picture of one pixel": (lambda: small_photo("PNG", 2), "not_possible"),
}
"""Every refused upload and its code."""

HARMLESS: dict[str, Callable[[], bytes]] = {
    "a ZIP after a PNG": zip_after_png,
    "a script in a JPEG's comment": script_in_jpeg_comment,
    "huge EXIF data": huge_exif,
    "broken EXIF data": broken_exif,
    "an animation": animated,
    "CMYK": cmyk,
}
"""Odd pictures that are pictures all the same."""
