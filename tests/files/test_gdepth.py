"""Portrait-mode JPEG: by the specification's formulas, by exiftool, and by files as they should not be."""

import base64
import hashlib
import io
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import encoding_named
from openmidas.files import FileError, read_depth, read_encoding, read_image, write_depth
from openmidas.files.gdepth import gdepth_encoding, read_gdepth, write_gdepth
from openmidas.files.png import encode_png

EXAMPLE = Path(__file__).parents[2] / "examples" / "coffee.jpg"
GDEPTH = "http://ns.google.com/photos/1.0/depthmap/"
MAIN = b"http://ns.adobe.com/xap/1.0/\0"
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
LEVELS = np.array([[0, 51, 102], [153, 204, 255]], np.uint8)


def metric(values) -> DepthMap:
    return DepthMap.from_values(values, "depth", "metric")


def ramp(shape=(8, 12), near=0.5, far=4.0) -> DepthMap:
    return metric(np.linspace(near, far, shape[0] * shape[1]).reshape(shape))


def rough(shape=(400, 600)) -> DepthMap:
    """A map whose PNG is far larger than 64 KB."""
    return metric(np.random.default_rng(0).uniform(0.5, 4, shape))


def photo(path, size=(120, 80), **options) -> Path:
    pixels = np.random.default_rng(1).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "JPEG", **options)
    return path


def png(levels) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(levels).save(stream, "PNG")
    return stream.getvalue()


def segment(body: bytes, marker=0xE1) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def packet(attributes: str, inside="") -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:GDepth="{GDEPTH}" xmlns:xmpNote="http://ns.adobe.com/xmp/note/" '
        f"{attributes}>{inside}</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


def properties(**given: str) -> str:
    return " ".join(f'GDepth:{name}="{value}"' for name, value in given.items())


def stated(**changed: str) -> str:
    """The properties that the specification demands, some changed."""
    data = base64.b64encode(png(LEVELS)).decode()
    known = {"Format": "RangeInverse", "Near": "0.5", "Far": "10", "Mime": "image/png", "Data": data}
    return properties(**(known | changed))


def foreign(path, *bodies: bytes) -> Path:
    """A photo with these APP1 segments, made without the package."""
    plain = photo(path, (30, 20)).read_bytes()
    path.write_bytes(plain[:2] + b"".join(map(segment, bodies)) + plain[2:])
    return path


def chunks(extended: bytes, size: int, identifier: str) -> list[bytes]:
    head = EXTENSION + identifier.encode()
    return [
        head + struct.pack(">II", len(extended), at) + extended[at : at + size]
        for at in range(0, len(extended), size)
    ]


def in_chunks(size=100) -> tuple[bytes, list[bytes]]:
    """A main packet and the extended one in many parts."""
    extended = packet(properties(Data=base64.b64encode(png(LEVELS)).decode()))
    identifier = hashlib.md5(extended).hexdigest().upper()
    main = packet(properties(Near="0.5", Far="10") + f' xmpNote:HasExtendedXMP="{identifier}"')
    return MAIN + main, chunks(extended, size, identifier)


def by_exiftool(path, *options: str) -> bytes:
    program = shutil.which("exiftool")
    assert program, "these tests need exiftool: apt-get install libimage-exiftool-perl"
    return subprocess.run([program, *options, path], capture_output=True, check=True).stdout


def by_formula(dn, near=0.5, far=10.0):
    return far * near / (far - dn * (far - near))


def test_range_inverse_is_read_by_the_formula_of_the_specification(tmp_path):
    got = read_depth(foreign(tmp_path / "a.jpg", MAIN + packet(stated())))
    assert (got.quantity, got.ambiguity) == ("inverse_depth", "metric")
    np.testing.assert_allclose(got.to_depth().values, by_formula(LEVELS / 255), rtol=1e-6)


def test_range_linear_is_read_by_the_formula_of_the_specification(tmp_path):
    millimetres = {"Units": "mm", "Near": "500", "Far": "10000"}
    for changed in ({"Units": "m"}, {}, millimetres):
        path = foreign(tmp_path / "a.jpg", MAIN + packet(stated(Format="RangeLinear", **changed)))
        got = read_depth(path)
        assert (got.quantity, got.ambiguity) == ("depth", "metric")
        np.testing.assert_allclose(got.values, 0.5 + LEVELS / 255 * 9.5, rtol=1e-6)


@pytest.mark.parametrize("name", ["gdepth-range-inverse", "gdepth-range-linear"])
def test_what_is_written_reads_back_within_half_a_step(tmp_path, name):
    depth_map = rough((40, 60))
    encoding = gdepth_encoding(depth_map, name)
    write_gdepth(tmp_path / "a.jpg", EXAMPLE, depth_map, encoding)
    assert read_encoding(tmp_path / "a.jpg") == encoding
    got = read_depth(tmp_path / "a.jpg")
    expected = depth_map if got.quantity == "depth" else depth_map.to_inverse_depth()
    assert np.abs(got.values - expected.values).max() <= encoding.step / 2 * 1.001


@pytest.mark.parametrize("depth_map", [ramp(), rough()], ids=["in the main packet", "in the extended one"])
def test_the_photo_stays_byte_for_byte_the_jpeg_it_was(tmp_path, depth_map):
    exif = Image.Exif()
    exif[0x010F] = "maker"
    original = photo(tmp_path / "p.jpg", exif=exif, icc_profile=b"colours").read_bytes()
    original += b"what a phone adds behind the picture"
    (tmp_path / "p.jpg").write_bytes(original)
    write_gdepth(tmp_path / "a.jpg", tmp_path / "p.jpg", depth_map.resize((80, 120)))
    written = (tmp_path / "a.jpg").read_bytes()
    at = 0
    kept = [written[:2]]
    while (at := at + len(kept[-1])) and written[at + 1] != 0xDA:
        kept.append(written[at : at + 2 + int.from_bytes(written[at + 2 : at + 4], "big")])
    own = [part for part in kept if part[4:].startswith((MAIN, EXTENSION))]
    assert len(own) >= 1
    assert b"".join(part for part in kept if part not in own) + written[at:] == original


@pytest.mark.parametrize("shape", [(40, 60), (400, 600)], ids=["below 64 KB", "beyond 64 KB"])
def test_exiftool_extracts_the_very_depth_picture(tmp_path, shape):
    depth_map = rough(shape)
    write_gdepth(tmp_path / "a.jpg", EXAMPLE, depth_map)
    expected = encode_png(gdepth_encoding(depth_map).encode(depth_map))
    has_extended = b"HasExtendedXMP" in (tmp_path / "a.jpg").read_bytes()
    assert has_extended == (len(expected) * 4 / 3 > 65_000)
    assert by_exiftool(tmp_path / "a.jpg", "-b", "-XMP-GDepth:DepthImage") == expected
    assert by_exiftool(tmp_path / "a.jpg", "-validate", "-warning", "-a", "-s3").strip() == b"OK"
    near = by_exiftool(tmp_path / "a.jpg", "-s3", "-XMP-GDepth:Near")
    assert float(near) == read_encoding(tmp_path / "a.jpg").near


@pytest.mark.parametrize("shape", [(20, 30), (400, 600)], ids=["below 64 KB", "beyond 64 KB"])
def test_what_exiftool_writes_is_read(tmp_path, shape):
    levels = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    (tmp_path / "d.png").write_bytes(png(levels))
    path = photo(tmp_path / "a.jpg")
    tags = {"Format": "RangeInverse", "Near": "0.5", "Far": "10", "Mime": "image/png"}
    by_exiftool(
        path,
        *(f"-XMP-GDepth:{tag}={value}" for tag, value in tags.items()),
        f"-XMP-GDepth:DepthImage<={tmp_path / 'd.png'}",
    )
    np.testing.assert_allclose(read_depth(path).to_depth().values, by_formula(levels / 255), rtol=1e-6)


def test_other_xmp_of_the_photo_is_kept_and_a_former_depth_map_replaced(tmp_path):
    path = photo(tmp_path / "a.jpg")
    long_text = "a tale of <angles> & 'quotes' " * 4000
    (tmp_path / "t.txt").write_text(long_text)
    by_exiftool(path, "-XMP-dc:Title=a title", f"-XMP-dc:Description<={tmp_path / 't.txt'}")
    for depth_map in (ramp(), rough(), ramp()):
        write_gdepth(path, path, depth_map.resize((80, 120)))
        assert by_exiftool(path, "-s3", "-XMP-dc:Title").strip() == b"a title"
        assert by_exiftool(path, "-b", "-XMP-dc:Description").decode() == long_text
        assert by_exiftool(path, "-validate", "-warning", "-a", "-s3").strip() == b"OK"
        expected = depth_map.resize((80, 120)).to_inverse_depth()
        step = read_encoding(path).step
        assert np.abs(read_depth(path).values - expected.values).max() <= step / 2 * 1.001
    assert path.read_bytes().count(b"GDepth:Data=") == 1


def test_the_extended_packet_goes_when_nothing_is_left_in_it(tmp_path):
    write_gdepth(tmp_path / "a.jpg", EXAMPLE, rough())
    write_gdepth(tmp_path / "a.jpg", tmp_path / "a.jpg", ramp())
    write_gdepth(tmp_path / "b.jpg", EXAMPLE, ramp())
    assert b"HasExtendedXMP" not in (tmp_path / "a.jpg").read_bytes()
    assert (tmp_path / "a.jpg").stat().st_size == (tmp_path / "b.jpg").stat().st_size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_map_turns_with_the_photo(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo(tmp_path / "p.jpg", exif=exif)
    upright = ramp(read_image(tmp_path / "p.jpg").shape[:2])
    write_gdepth(tmp_path / "a.jpg", tmp_path / "p.jpg", upright)
    got, step = read_depth(tmp_path / "a.jpg"), read_encoding(tmp_path / "a.jpg").step
    assert np.abs(got.values - upright.to_inverse_depth().values).max() <= step / 2 * 1.001
    with Image.open(io.BytesIO(by_exiftool(tmp_path / "a.jpg", "-b", "-XMP-GDepth:DepthImage"))) as stored:
        # whoever turns the picture by its EXIF data turns the stored map the same way
        assert stored.size == (120, 80)
        stored.getexif()[0x0112] = orientation
        turned = np.asarray(ImageOps.exif_transpose(stored))
    assert np.array_equal(turned, gdepth_encoding(upright).encode(upright))


def test_further_pictures_in_the_file_are_still_found(tmp_path):
    pictures = [Image.new("RGB", (60, 40), colour) for colour in ("red", "blue")]
    pictures[0].save(tmp_path / "p.jpg", "MPO", save_all=True, append_images=pictures[1:])
    write_gdepth(tmp_path / "a.jpg", tmp_path / "p.jpg", ramp((40, 60)))
    with Image.open(tmp_path / "a.jpg") as picture:
        picture.seek(1)
        assert np.asarray(picture)[0, 0, 2] > 200
    assert read_depth(tmp_path / "a.jpg").shape == (40, 60)


def test_metadata_that_cannot_be_replaced_without_moving_a_picture_are_left_alone(tmp_path):
    picture = Image.new("RGB", (60, 40))
    picture.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[picture])
    plain = (tmp_path / "a.jpg").read_bytes()
    table = plain.index(b"\xff\xdb")
    (tmp_path / "a.jpg").write_bytes(
        plain[:table] + segment(MAIN + packet('GDepth:Near="1"')) + plain[table:]
    )
    with pytest.raises(FileError, match=r"a\.jpg: .*behind the index of its further pictures"):
        write_gdepth(tmp_path / "b.jpg", tmp_path / "a.jpg", ramp((40, 60)))
    assert not (tmp_path / "b.jpg").exists()


def test_pictures_of_other_kinds_and_arrays_become_a_jpeg(tmp_path):
    pixels = np.full((40, 60, 3), (200, 100, 50), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    for source in (tmp_path / "p.png", pixels):
        write_gdepth(tmp_path / "a.jpg", source, ramp())
        assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - pixels).max() <= 3
        assert read_depth(tmp_path / "a.jpg").shape == (8, 12)


def test_sky_stays_far_beyond_everything_else(tmp_path):
    write_gdepth(tmp_path / "a.jpg", EXAMPLE, metric([[1.0, 2.0, 4.0], [1.0, np.inf, np.inf]]))
    got = read_depth(tmp_path / "a.jpg").to_depth().values
    assert got[1, 1] == pytest.approx(1000)
    np.testing.assert_allclose(got[0], [1, 2, 4], rtol=0.01)


def test_a_constant_map_can_be_written(tmp_path):
    write_gdepth(tmp_path / "a.jpg", EXAMPLE, metric(np.full((4, 6), 3.0)))
    assert np.array_equal(read_depth(tmp_path / "a.jpg").to_depth().values, np.full((4, 6), 3.0))


def test_depth_beyond_the_planes_is_stored_at_them(tmp_path):
    planes = encoding_named("gdepth-range-inverse", 1, 2)
    write_gdepth(tmp_path / "a.jpg", EXAMPLE, metric([[0.5, 1.0, 1.0], [2.0, 9.0, np.inf]]), planes)
    assert read_depth(tmp_path / "a.jpg").to_depth().values.tolist() == [[1, 1, 1], [2, 2, 2]]


@pytest.mark.parametrize(
    ("depth_map", "encoding", "words"),
    [
        (metric([[1.0, np.nan, 2.0], [1, 2, 3]]), None, "16.7% .* not valid"),
        (ramp((8, 8)), None, "not the same view"),
        (DepthMap.from_values(LEVELS / 255, "inverse_depth", "affine_invariant"), None, "near and far"),
        (DepthMap.from_values(1 + LEVELS / 255, "depth", "scale_invariant"), None, "scale_invariant"),
        (ramp(), encoding_named("gdepth-range-inverse", 1, 2, 16), "in 8 bits"),
        (ramp(), encoding_named("gdepth-range-inverse", 1, np.inf), "finite far"),
        (ramp(), encoding_named("kitti"), "in 8 bits"),
    ],
)
def test_what_the_format_cannot_say_is_refused(tmp_path, depth_map, encoding, words):
    with pytest.raises(ConventionError, match=rf"a\.jpg: .*{words}"):
        write_gdepth(tmp_path / "a.jpg", EXAMPLE, depth_map, encoding)
    assert list(tmp_path.iterdir()) == []


def test_a_photo_full_of_metadata_is_refused_in_one_line(tmp_path):
    path = foreign(tmp_path / "a.jpg", MAIN + packet(f'xmlns:o="urn:other" o:a="{"x" * 65_130}"'))
    with pytest.raises(FileError, match=r"a\.jpg: has so much XMP metadata"):
        write_gdepth(tmp_path / "b.jpg", path, ramp((20, 30)))


def test_chunks_are_joined_by_their_offsets_not_their_order(tmp_path):
    main, parts = in_chunks()
    assert len(parts) > 2
    got = read_depth(foreign(tmp_path / "a.jpg", *reversed(parts), parts[0], main))
    np.testing.assert_allclose(got.to_depth().values, by_formula(LEVELS / 255), rtol=1e-6)


@pytest.mark.parametrize("gone", [0, 1, -1])
def test_a_missing_chunk_is_named(tmp_path, gone):
    main, parts = in_chunks()
    del parts[gone]
    with pytest.raises(FileError, match=r"a\.jpg: a part of its extended XMP metadata is missing"):
        read_depth(foreign(tmp_path / "a.jpg", main, *parts))


def test_a_length_that_is_only_claimed_costs_nothing(tmp_path):
    main, parts = in_chunks()
    claimed = [part[:67] + b"\xff\xff\xff\xff" + part[71:] for part in parts]
    with pytest.raises(FileError, match="is missing"):
        read_depth(foreign(tmp_path / "a.jpg", main, *claimed))


def test_an_identifier_is_a_name_and_chunks_of_another_are_not_read(tmp_path):
    main, parts = in_chunks()
    name = parts[0][len(EXTENSION) : len(EXTENSION) + 32]
    renamed = [body.replace(name, b"0" * 32) for body in (main, *parts)]
    strange = chunks(b"<other/>", 4, "F" * 32)
    got = read_depth(foreign(tmp_path / "a.jpg", *renamed, *strange))
    assert got.shape == LEVELS.shape


def test_a_map_that_an_editor_has_lost_is_named(tmp_path):
    main, _ = in_chunks()
    with pytest.raises(FileError, match=r"a\.jpg: says that it carries a depth map, but the map is gone"):
        read_depth(foreign(tmp_path / "a.jpg", main))


def test_properties_are_read_as_elements_too(tmp_path):
    data = "\n  ".join(base64.encodebytes(png(LEVELS)).decode().split())
    inside = f"<GDepth:Near>0.5</GDepth:Near><GDepth:Far>10</GDepth:Far><GDepth:Data><![CDATA[{data}]]></GDepth:Data>"
    got = read_depth(foreign(tmp_path / "a.jpg", MAIN + packet("", inside)))
    np.testing.assert_allclose(got.to_depth().values, by_formula(LEVELS / 255), rtol=1e-6)


def test_base64_may_have_white_space_and_lack_its_padding(tmp_path):
    text = base64.b64encode(png(LEVELS) + b"x").decode()
    assert text.endswith("=")
    spaced = "&#10; ".join((text[:40], text[40:80], text[80:].rstrip("=")))
    assert read_depth(foreign(tmp_path / "a.jpg", MAIN + packet(stated(Data=spaced)))).shape == (2, 3)


def test_the_depth_picture_may_be_jpeg_or_of_16_bits(tmp_path):
    smooth = np.full((16, 24), 102, np.uint8)
    stream = io.BytesIO()
    Image.fromarray(smooth).convert("RGB").save(stream, "JPEG")
    deep = png(smooth.astype(np.uint16) * 257)
    for payload, bits in ((stream.getvalue(), 8), (deep, 16)):
        path = foreign(tmp_path / "a.jpg", MAIN + packet(stated(Data=base64.b64encode(payload).decode())))
        assert read_encoding(path).bits == bits
        np.testing.assert_allclose(read_depth(path).to_depth().values, by_formula(0.4), rtol=0.01)


def test_without_near_and_far_only_the_order_is_known(tmp_path):
    data = properties(Data=base64.b64encode(png(LEVELS)).decode())
    got = read_depth(foreign(tmp_path / "a.jpg", MAIN + packet(data)))
    assert (got.quantity, got.ambiguity) == ("inverse_depth", "affine_invariant")
    np.testing.assert_allclose(got.values, 1 - LEVELS / 255, atol=1e-6)
    linear = MAIN + packet(data + ' GDepth:Format="RangeLinear" GDepth:Near="1"')
    got = read_depth(foreign(tmp_path / "a.jpg", linear))
    assert (got.quantity, got.ambiguity) == ("depth", "affine_invariant")
    np.testing.assert_allclose(got.values, LEVELS / 255, atol=1e-6)


def claiming(width: int, height: int) -> bytes:
    """A sound PNG in all but the size that its header names."""
    data = png(LEVELS)
    header = data[12:16] + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Format": "RangeCubic"}, "RangeCubic"),
        ({"Units": "feet"}, "feet"),
        ({"MeasureType": "OpticRay"}, "OpticRay"),
        ({"Near": "close"}, "GDepth:Near is no number"),
        ({"Near": "-1"}, "0 < near < far"),
        ({"Near": "nan"}, "0 < near < far"),
        ({"Far": "0.1"}, "0 < near < far"),
        ({"Data": "!"}, "is damaged"),
        ({"Data": ""}, "is damaged"),
        ({"Data": base64.b64encode(b"GIF89a").decode()}, "is damaged"),
        ({"Data": base64.b64encode(png(LEVELS)[:45]).decode()}, "is damaged"),
        ({"Data": base64.b64encode(claiming(100_000, 100_000)).decode()}, "claims 100000×100000 pixels"),
    ],
)
def test_a_map_that_makes_no_sense_is_refused_in_one_line(tmp_path, changed, words):
    with pytest.raises(FileError, match=rf"a\.jpg: .*({words})") as error:
        read_depth(foreign(tmp_path / "a.jpg", MAIN + packet(stated(**changed))))
    assert "\n" not in str(error.value)


LAUGHS = '<!DOCTYPE x [<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {chr(98 + i)} "{f"&{chr(97 + i)};" * 10}">' for i in range(9)
)


@pytest.mark.parametrize(
    "body",
    [
        LAUGHS.encode() + b"]>" + packet('GDepth:Near="&j;"'),
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]>' + packet('GDepth:Near="&a;"'),
        b'<!DOCTYPE x [<!ENTITY a "1">]>' + packet(stated(Near="&a;")),
        packet('GDepth:Near="&a;"'),
        packet(stated())[:-5],
        packet("", "<a>" * 5000 + f'<b xmlns="{GDEPTH}"/>' + "</a>" * 5000),
        packet(stated()).decode().encode("utf-16"),
        packet("") + b"<a/>" * 15_000,
    ],
    ids=["laughs", "outside file", "entity", "unknown entity", "cut", "deep", "utf-16", "two roots"],
)
def test_hostile_xml_is_refused_or_without_meaning(tmp_path, body):
    path = foreign(tmp_path / "a.jpg", MAIN + body, GDEPTH.encode())
    with pytest.raises(FileError, match=r"a\.jpg: (its XMP metadata is damaged|is coloured)"):
        read_depth(path)


def test_a_packet_of_too_many_elements_is_not_built(tmp_path):
    main, _ = in_chunks()
    extended = packet("", "<a/>" * 300_000)
    name = main.split(b'HasExtendedXMP="')[1][:32].decode()
    with pytest.raises(FileError, match="its XMP metadata is damaged"):
        read_depth(foreign(tmp_path / "a.jpg", main, *chunks(extended, 65_000, name)))


def test_a_gray_jpeg_without_gdepth_reads_as_before_whatever_its_xmp(tmp_path):
    Image.fromarray(np.full((16, 16), 51, np.uint8)).save(tmp_path / "a.jpg", xmp=b"<broken")
    got = read_depth(tmp_path / "a.jpg", encoding_named("near-white"))
    assert np.allclose(got.values, 0.2)
    assert read_gdepth(tmp_path / "a.jpg") is None


def test_a_jpeg_that_says_what_it_holds_is_not_overruled(tmp_path):
    write_gdepth(tmp_path / "a.jpg", EXAMPLE, ramp())
    with pytest.raises(FileError, match="says itself that it holds gdepth-range-inverse"):
        read_depth(tmp_path / "a.jpg", encoding_named("near-white"))
    with pytest.raises(FileError, match=r"suffix \.jpg are only read"):
        write_depth(tmp_path / "b.jpg", ramp())


@pytest.fixture(scope="module")
def portrait(tmp_path_factory) -> tuple[Path, bytes]:
    path = tmp_path_factory.mktemp("whole") / "a.jpg"
    write_gdepth(path, photo(path, (30, 20)), rough((20, 30)))
    return path, path.read_bytes()


@pytest.mark.filterwarnings("ignore")  # Pillow's own, about the same data
@settings(max_examples=80, deadline=None)
@given(
    share=st.floats(0, 1),
    spoil=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
)
def test_cut_and_spoilt_files_give_a_depth_map_or_one_line(portrait, share, spoil):
    path, whole = portrait
    data = bytearray(whole[: max(1, int(share * len(whole)))])
    for at, value in spoil:
        data[at % len(data)] = value
    path.write_bytes(data)
    got = outcome(path)
    assert isinstance(got, DepthMap) or (got.startswith(str(path)) and "\n" not in got)


def outcome(path) -> DepthMap | str:
    """The depth map, or the line that says why there is none; any other exception is a failure."""
    try:
        return read_depth(path)
    except (FileError, ConventionError) as error:
        return str(error)
