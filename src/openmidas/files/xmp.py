"""XMP metadata of a JPEG: found, read, changed and put back, with every other byte left as it is.

Sources: ISO 16684-1 (XMP) and Adobe's XMP Specification Part 3, 2020, section 1.1.3 (JPEG, extended XMP).
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple
from xml.dom import XMLNS_NAMESPACE
from xml.dom.minidom import Document, Element, Text, parseString
from xml.parsers.expat import ExpatError

from openmidas.files.errors import FilePath, file_error

_APP0, _APP1, _APP2 = 0xE0, 0xE1, 0xE2
_NO_LENGTH = (0x01, *range(0xD0, 0xD8))
_SCAN, _END = 0xDA, 0xD9
_MAIN = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_EXIF = b"Exif\0"
_MORE_PICTURES = b"MPF\0"
_LONGEST_MAIN = 65502
_LONGEST_CHUNK = 65400
_MOST_NODES = 200_000  # a node of the parsed document takes a kilobyte
_MOST_FILL = 1024

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_EMPTY = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{_RDF}"/></x:xmpmeta>'
_WRAPPED = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n{}\n<?xpacket end="w"?>'


class Namespace(NamedTuple):
    """A family of XMP properties: its usual prefix and its name."""

    prefix: str
    uri: str


_NOTE = Namespace("xmpNote", "http://ns.adobe.com/xmp/note/")


class Packets(NamedTuple):
    """The XMP of a JPEG: the main packet, and what did not fit into 64 KB; empty where there is none."""

    main: bytes
    extended: bytes


def read_segments(stream: io.BufferedIOBase) -> list[bytes]:
    """The first bytes of a JPEG, marker by marker, up to its first scan or to what is no segment.

    They are the file's own bytes and the stream stands right behind them.
    """
    segments = [stream.read(2)]
    while segment := _next_segment(stream):
        segments.append(segment)
    return segments


def read_packets(path: FilePath, segments: Sequence[bytes]) -> Packets:
    """The XMP in the segments of a JPEG; FileError when a part of the extended one is missing or spoilt.

    The identifier of the extended XMP is taken as a name, as other readers do: programs that change the
    data do not always compute it anew.
    """
    main = next((body for segment in segments if (body := _body(segment, _APP1, _MAIN)) is not None), b"")
    identifier = properties(path, main, _NOTE).get("HasExtendedXMP")
    chunks = [] if identifier is None else list(_chunks(segments, identifier))
    return Packets(main, _joined(path, chunks))


def with_packets(path: FilePath, segments: Sequence[bytes], packets: Packets) -> list[bytes]:
    """The segments with these packets in place of the XMP they had; FileError when that does not fit."""
    extension = _extension_segments(packets.extended)
    note = {"HasExtendedXMP": _identifier(packets.extended)} if extension else {}
    main = with_properties(path, packets.main, _NOTE, note)
    wrapped = _WRAPPED.format(main.decode()).encode()
    if len(wrapped) > _LONGEST_MAIN:
        raise file_error(path, "has so much XMP metadata of its own that no more fits: remove some of it")
    kept = [segment for segment in segments if not _is_xmp(segment)]
    _refuse_moved_pictures(path, segments)
    head = 1 + len(list(takewhile(_comes_first, kept[1:])))
    return [*kept[:head], _segment(_MAIN + wrapped), *extension, *kept[head:]]


def properties(path: FilePath, packet: bytes, namespace: Namespace) -> dict[str, str]:
    """The simple properties of one namespace in a packet, by their names; FileError for damaged XML."""
    if not packet:
        return {}
    return {
        name: value
        for description in _descriptions(path, _parsed(path, packet))
        for name, value in _own_properties(description, namespace)
    }


def with_properties(path: FilePath, packet: bytes, namespace: Namespace, values: Mapping[str, str]) -> bytes:
    """The packet with `values` as the only properties of their namespace; all others stay.

    An empty packet stands for none, in what is given and, when no property is left, in what comes back.
    Raises FileError for damaged XML.
    """
    document = _parsed(path, packet or _EMPTY.encode())
    descriptions = _descriptions(path, document)
    about = next((each.getAttributeNS(_RDF, "about") for each in descriptions), "")
    for description in descriptions:
        _remove(description, namespace)
    if values:
        _root(path, document).appendChild(_description(document, about, namespace, values))
    assert document.documentElement is not None
    return document.documentElement.toxml().encode() if _descriptions(path, document) else b""


def _next_segment(stream: io.BufferedIOBase) -> bytes:
    """Empty, and the stream back where it was, when there is no further one."""
    start = stream.tell()
    head = stream.read(2)
    while head.endswith(b"\xff") and len(head) < _MOST_FILL and (fill := stream.read(1)):
        head += fill
    if head[:1] == b"\xff" and head[-1] not in (0xFF, _SCAN, _END):
        if head[-1] in _NO_LENGTH:
            return head
        size = stream.read(2)
        length = int.from_bytes(size, "big") - 2
        body = stream.read(max(length, 0))
        if len(body) == length:
            return head + size + body
    stream.seek(start)
    return b""


def _body(segment: bytes, marker: int, signature: bytes) -> bytes | None:
    """What follows the signature, None for a segment of another kind."""
    bare = segment.lstrip(b"\xff")
    if bare[:1] != bytes([marker]) or not bare.startswith(signature, 3):
        return None
    return bare[3 + len(signature) :]


def _segment(body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, _APP1, 2 + len(body)) + body


def _is_xmp(segment: bytes) -> bool:
    return any(_body(segment, _APP1, kind) is not None for kind in (_MAIN, _EXTENSION))


def _comes_first(segment: bytes) -> bool:
    return _body(segment, _APP0, b"") is not None or _body(segment, _APP1, _EXIF) is not None


def _refuse_moved_pictures(path: FilePath, segments: Sequence[bytes]) -> None:
    """A multi-picture index counts from where it stands: what is behind it must keep its length."""
    behind = False
    for segment in segments:
        behind = behind or _body(segment, _APP2, _MORE_PICTURES) is not None
        if behind and _is_xmp(segment):
            raise file_error(
                path, "has XMP metadata behind the index of its further pictures: save it as plain JPEG first"
            )


def _identifier(extended: bytes) -> str:
    return hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()


def _extension_segments(extended: bytes) -> list[bytes]:
    header = _EXTENSION + _identifier(extended).encode()
    return [
        _segment(header + struct.pack(">II", len(extended), at) + extended[at : at + _LONGEST_CHUNK])
        for at in range(0, len(extended), _LONGEST_CHUNK)
    ]


def _chunks(segments: Sequence[bytes], identifier: str) -> Iterator[tuple[int, int, bytes]]:
    """Length of the whole, offset and bytes of each part that has the identifier."""
    for segment in segments:
        body = _body(segment, _APP1, _EXTENSION) or b""
        if len(body) >= 40 and body[:32].upper() == identifier.strip().upper().encode():
            yield (*struct.unpack(">II", body[32:40]), body[40:])


def _joined(path: FilePath, chunks: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The parts in the order of their offsets; nothing is reserved for a length that is only claimed."""
    joined = b"".join(chunk for _, _, chunk in sorted(set(chunks)))
    at = 0
    for length, offset, chunk in sorted(set(chunks)):
        if offset != at or length != len(joined):
            raise file_error(path, "a part of its extended XMP metadata is missing: use the original photo")
        at += len(chunk)
    return joined


def _parsed(path: FilePath, packet: bytes) -> Document:
    """The document of a packet, which names no outside files and defines no entities that could grow."""
    try:
        text = packet.decode("utf-8-sig").strip("\0 \t\r\n")
        if "<!DOCTYPE" in text or text.count("<") + text.count("=") > _MOST_NODES:
            raise ValueError("it is not plain XMP")
        return parseString(text)
    except (ExpatError, ValueError) as error:
        raise _damaged(path, error) from error


def _descriptions(path: FilePath, document: Document) -> list[Element]:
    try:
        return list(document.getElementsByTagNameNS(_RDF, "Description"))
    except RecursionError as error:
        raise _damaged(path, error) from error


def _root(path: FilePath, document: Document) -> Element:
    for root in document.getElementsByTagNameNS(_RDF, "RDF"):
        return root
    raise _damaged(path, ValueError("it has no rdf:RDF"))


def _damaged(path: FilePath, error: Exception) -> Exception:
    return file_error(path, f"its XMP metadata is damaged ({error}): use the original photo")


def _own_properties(description: Element, namespace: Namespace) -> Iterator[tuple[str, str]]:
    """Names and values, for a property is written as an attribute or as an element."""
    for attribute in description.attributes.values():
        if attribute.namespaceURI == namespace.uri:
            yield attribute.localName, attribute.value
    for child in _children(description, namespace):
        yield child.localName, "".join(node.data for node in child.childNodes if isinstance(node, Text))


def _children(description: Element, namespace: Namespace) -> list[Element]:
    return [node for node in description.childNodes if node.namespaceURI == namespace.uri]


def _remove(description: Element, namespace: Namespace) -> None:
    """Take the properties of the namespace out, and the description itself when it then says nothing."""
    for attribute in list(description.attributes.values()):
        if attribute.namespaceURI == namespace.uri:
            description.removeAttributeNode(attribute)
    for child in _children(description, namespace):
        description.removeChild(child)
    attributes = description.attributes.values()
    says = [each for each in attributes if each.namespaceURI != XMLNS_NAMESPACE and each.localName != "about"]
    elements = [node for node in description.childNodes if isinstance(node, Element)]
    if not says and not elements:
        assert description.parentNode is not None
        description.parentNode.removeChild(description)


def _description(document: Document, about: str, namespace: Namespace, values: Mapping[str, str]) -> Element:
    made = document.createElementNS(_RDF, "rdf:Description")
    made.setAttribute("xmlns:rdf", _RDF)
    made.setAttributeNS(_RDF, "rdf:about", about)
    made.setAttribute(f"xmlns:{namespace.prefix}", namespace.uri)
    for name, value in values.items():
        made.setAttributeNS(namespace.uri, f"{namespace.prefix}:{name}", value)
    return made
