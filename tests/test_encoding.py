import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from openmidas.depth_map import ConventionError, DepthMap
from openmidas.encoding import Encoding, encoding_for, encoding_named, encoding_names, lossless_encoding

nan, inf = math.nan, math.inf
INVERSE_PLANES = ("opengl", "reversed-z", "quake-even", "quake-odd", "gdepth-range-inverse")
LINEAR_PLANES = ("linear", "gdepth-range-linear")
PLANES = INVERSE_PLANES + LINEAR_PLANES
FIXED = ("kitti", "tum", "millimetres", "centimetres")
FITTED = ("midas", "near-white", "near-dark")
AS_IS = (
    "metres",
    "inverse-metres",
    "scale-invariant-depth",
    "scale-invariant-inverse-depth",
    "affine-invariant-depth",
    "affine-invariant-inverse-depth",
)
# the properties run for each of some fifty encodings, so a few maps each make hundreds in all
FEW = settings(max_examples=12, deadline=None)
# every named encoding, those with planes at every number of bits
CASES = [(name, bits) for name in PLANES for bits in (None, 8, 16, 24, 32)]
CASES += [(name, None) for name in (*FIXED, *FITTED, *AS_IS)]


@st.composite
def metric_maps(draw, holes=True, lowest=0.0625):
    shape = draw(npst.array_shapes(min_dims=2, max_dims=2, max_side=6))
    depth = st.floats(lowest, 2048, width=32) | st.just(inf)
    values = draw(npst.arrays(np.float32, shape, elements=depth))
    valid = draw(npst.arrays(bool, shape)) if holes else np.ones(shape, bool)
    return DepthMap.from_values(values, "depth", "metric", valid)


@st.composite
def encodings(draw, case, depth_map):
    """An encoding of that name that can hold the map, with drawn planes."""
    name, bits = case
    if name not in PLANES:
        assume(name not in FITTED or depth_map.valid.any())
        return encoding_for(name, depth_map)
    near = draw(st.floats(0.0625, 16))
    far = near * draw(st.floats(1.5, 1000) | (st.just(inf) if name in INVERSE_PLANES else st.nothing()))
    encoding = encoding_for(name, depth_map, near, far, bits)
    if encoding.bits is None or depth_map.valid.all():
        return encoding
    return replace(encoding, invalid=draw(st.integers(0, encoding.largest)))


def in_quantity_of(encoding, depth_map):
    """What the encoding should hold: converted, between its planes, and within its codes."""
    converted = depth_map.to_depth() if encoding.quantity == "depth" else depth_map.to_inverse_depth()
    values = converted.values.astype(np.float64)
    if encoding.near is not None:
        depth = np.clip(depth_map.values.astype(np.float64), encoding.near, encoding.far)
        values = depth if encoding.quantity == "depth" else 1 / depth
    return values


def rounding(encoding, values):
    """What float32 adds to the error, in values and in codes, with a little for float64."""
    codes = abs(encoding.one - encoding.zero) if encoding.outside != "keep" and not encoding.bits else 0
    return 2.0**-23 * np.abs(values) + 2.0**-24 * codes + 1e-12 * abs(encoding.one - encoding.zero)


def test_the_cases_are_all_the_names():
    assert {name for name, _ in CASES} == set(encoding_names())


@pytest.mark.parametrize("case", CASES, ids=str)
class TestEveryEncoding:
    @FEW
    @given(data=st.data())
    def test_round_trip_within_half_a_step(self, case, data):
        depth_map = data.draw(metric_maps())
        encoding = data.draw(encodings(case, depth_map))
        decoded = encoding.decode(encoding.encode(depth_map))
        wanted = in_quantity_of(encoding, depth_map)
        steps = 0.5
        if encoding.outside == "clip" and encoding.invalid is not None:
            # whoever would get the reserved code moves beside it
            at = (wanted - encoding.zero) / (encoding.one - encoding.zero) * encoding.largest
            steps = np.where(np.abs(at - encoding.invalid) < 0.5001, 1, 0.5)
        held = decoded.valid & np.isfinite(wanted)
        assert np.array_equal(decoded.valid & np.isposinf(wanted), np.isposinf(decoded.values))
        allowed = steps * encoding.step + rounding(encoding, np.fmax(wanted, decoded.values))
        assert np.all(np.abs(decoded.values[held] - wanted[held]) <= allowed[held])
        assert (decoded.quantity, decoded.ambiguity) == (encoding.quantity, encoding.ambiguity)

    @FEW
    @given(data=st.data())
    def test_valid_pixels_stay_valid_and_the_others_not(self, case, data):
        depth_map = data.draw(metric_maps())
        encoding = data.draw(encodings(case, depth_map))
        decoded = encoding.decode(encoding.encode(depth_map))
        wanted = depth_map.valid.copy()
        if case[0] in FIXED:
            codes = np.rint(np.where(wanted, depth_map.values, 0).astype(np.float64) / encoding.step)
            wanted &= (codes >= 1) & (codes <= 65535)
        assert np.array_equal(decoded.valid, wanted)

    @FEW
    @given(data=st.data())
    def test_order_is_kept(self, case, data):
        depth_map = data.draw(metric_maps())
        encoding = data.draw(encodings(case, depth_map))
        codes = encoding.encode(depth_map)
        held = encoding.decode(codes).valid
        nearest_first = np.argsort(depth_map.values[held], kind="stable")
        in_order = codes[held][nearest_first]
        higher_first = in_order[:-1] >= in_order[1:]
        assert np.all(higher_first if encoding.near_is_high else in_order[:-1] <= in_order[1:])

    @FEW
    @given(data=st.data())
    def test_any_code_decodes_to_a_depth_map(self, case, data):
        encoding = data.draw(encodings(case, data.draw(metric_maps())))
        dtype = {None: np.float32, 8: np.uint8, 16: np.uint16}.get(encoding.bits, np.uint32)
        numbers = st.floats(0, 2, width=32) if encoding.bits is None else st.integers(0, encoding.largest)
        decoded = encoding.decode(data.draw(npst.arrays(dtype, (2, 3), elements=numbers)))
        assert decoded.shape == (2, 3)

    @FEW
    @given(data=st.data())
    def test_json_gives_the_same_encoding(self, case, data):
        encoding = data.draw(encodings(case, data.draw(metric_maps())))
        text = json.dumps(encoding.to_dict(), allow_nan=False)
        assert Encoding.from_dict(json.loads(text)) == encoding

    @FEW
    @given(data=st.data())
    def test_it_says_what_it_means_in_one_line(self, case, data):
        encoding = data.draw(encodings(case, data.draw(metric_maps())))
        line = str(encoding)
        assert line.startswith(f"{case[0]}: ")
        assert "\n" not in line
        assert encoding.quantity.replace("_", "-") in line


# float32 values cannot tell all codes of 24 bits and more apart, and Quake's far plane lies between two codes
EXACT = [(name, bits) for name, bits in CASES if name in FIXED or (bits in (8, 16) and "quake" not in name)]


@pytest.mark.parametrize("case", EXACT, ids=str)
@FEW
@given(data=st.data())
def test_decoded_maps_encode_to_the_same_codes(case, data):
    depth_map = data.draw(metric_maps())
    encoding = data.draw(encodings(case, depth_map))
    codes = encoding.encode(depth_map)
    assert np.array_equal(encoding.encode(encoding.decode(codes)), codes)


def metres(*values):
    return DepthMap.from_values([values], "depth", "metric")


@pytest.mark.parametrize("name", FITTED)
@given(
    values=npst.arrays(np.float32, (2, 5), elements=st.floats(-1e6, 1e6, width=32)),
    valid=npst.arrays(bool, (2, 5)),
)
def test_affine_invariant_maps_fill_the_fitted_range(name, values, valid):
    assume(valid.any())
    depth_map = DepthMap.from_values(values, "inverse_depth", "affine_invariant", valid)
    encoding = encoding_for(name, depth_map)
    codes = encoding.encode(depth_map)
    decoded = encoding.decode(codes)
    assert np.array_equal(decoded.valid, valid)
    known = values[valid].astype(np.float64)
    error = np.abs(decoded.values[valid] - known)
    assert np.all(error <= encoding.step / 2 + 2.0**-23 * np.abs(known))
    if np.ptp(known) > 0:
        usable = encoding.largest - (not valid.all())
        assert np.ptp(codes[valid].astype(int)) == usable
        assert codes[valid].flat[known.argmax()] == (encoding.largest if encoding.near_is_high else 0)


class TestByHand:
    @pytest.mark.parametrize(
        ("name", "code"),
        [
            ("opengl", 5 / 9),
            ("reversed-z", 4 / 9),
            ("quake-even", 5 / 18),
            ("quake-odd", 13 / 18),
            ("linear", 1 / 9),
        ],
    )
    def test_two_metres_between_planes_at_one_and_ten(self, name, code):
        assert encoding_named(name, near=1, far=10).encode(metres(2.0))[0, 0] == pytest.approx(code, rel=1e-6)

    def test_planes_get_the_ends_of_the_range(self):
        ends = {name: encoding_named(name, 1, 8).encode(metres(1, 8)).tolist()[0] for name in PLANES[:4]}
        assert ends == {
            "opengl": [0, 1],
            "reversed-z": [1, 0],
            "quake-even": [0, 0.5],
            "quake-odd": [1, 0.5],
        }
        # a stranger's program may read the bits
        assert not np.signbit(encoding_named("opengl", 1, 8).encode(metres(1.0))[0, 0])

    @given(st.floats(1, 10, width=32))
    def test_gdepth_formulas(self, depth):
        near, far = 1, 10
        inverse = encoding_named("gdepth-range-inverse", near, far).encode(metres(depth))[0, 0]
        linear = encoding_named("gdepth-range-linear", near, far).encode(metres(depth))[0, 0]
        assert inverse == round(255 * far * (depth - near) / (depth * (far - near)))
        assert linear == round(255 * (depth - near) / (far - near))

    @pytest.mark.parametrize(
        ("name", "code"), [("kitti", 1280), ("tum", 25000), ("millimetres", 5000), ("centimetres", 500)]
    )
    def test_five_metres(self, name, code):
        encoding = encoding_named(name)
        assert encoding.encode(metres(5.0)).tolist() == [[code]]
        assert encoding.encode(metres(5.0)).dtype == np.uint16
        assert encoding.decode(np.array([[code]], np.uint16)) == metres(5.0)

    def test_what_a_fixed_scale_cannot_hold_is_not_valid(self):
        too_far, too_near = 65535.5 / 256, 0.5 / 256
        codes = encoding_named("kitti").encode(metres(inf, nan, too_far, 65535 / 256, too_near, 0.6 / 256))
        assert codes.tolist() == [[0, 0, 0, 65535, 0, 1]]

    def test_inverse_depth_goes_into_a_depth_file(self):
        inverse = DepthMap.from_values([[0.2, 0.0]], "inverse_depth", "metric")
        assert encoding_named("kitti").encode(inverse).tolist() == [[1280, 0]]

    def test_midas_spreads_the_map_over_all_codes(self):
        depth_map = DepthMap.from_values([[-1.0, 0.0, 3.0]], "inverse_depth", "affine_invariant")
        codes = {name: encoding_for(name, depth_map).encode(depth_map).tolist()[0] for name in FITTED}
        assert codes == {"midas": [0, 16384, 65535], "near-white": [0, 64, 255], "near-dark": [255, 191, 0]}

    def test_midas_reserves_the_far_end_for_holes(self):
        depth_map = DepthMap.from_values([[-1.0, nan, 3.0]], "inverse_depth", "affine_invariant")
        codes = {name: encoding_for(name, depth_map).encode(depth_map).tolist()[0] for name in FITTED}
        assert codes == {"midas": [1, 0, 65535], "near-white": [1, 0, 255], "near-dark": [254, 255, 0]}

    def test_midas_keeps_metres_and_the_sky(self):
        depth_map = metres(2.0, inf, nan)
        encoding = encoding_for("midas", depth_map)
        assert (encoding.ambiguity, encoding.unit) == ("metric", "1/m")
        assert encoding.decode(encoding.encode(depth_map)).to_depth() == depth_map

    def test_a_constant_map_comes_back(self):
        for value in (0.0, 4.0, -2.0, 1e30):
            depth_map = DepthMap.from_values([[value, nan]], "inverse_depth", "affine_invariant")
            for name in FITTED:
                encoding = encoding_for(name, depth_map)
                assert encoding.decode(encoding.encode(depth_map)) == depth_map

    def test_an_infinite_far_plane_holds_the_sky(self):
        # Quake's far plane lies between two whole numbers, so there the sky is within half a step
        for name in INVERSE_PLANES:
            for bits in (None, 8, 16, 24, 32) if "quake" not in name else (None,):
                encoding = encoding_named(name, 0.5, inf, bits)
                assert encoding.decode(encoding.encode(metres(0.5, inf))).to_depth() == metres(0.5, inf)

    def test_z_buffers_clip_to_the_planes(self):
        encoding = encoding_named("opengl", 1, 10, bits=16)
        assert encoding.encode(metres(0.1, 1, 10, 11, inf)).tolist() == [[0, 0, 65535, 65535, 65535]]

    @pytest.mark.parametrize("invalid", [0, 65535, 36408])
    def test_a_reserved_code_is_left_free(self, invalid):
        encoding = encoding_named("opengl", 1, 10, bits=16, invalid=invalid)
        codes = encoding.encode(metres(1, 2, 10, nan))
        assert codes[0, 3] == invalid
        assert np.all(np.abs(codes[0, :3] - np.array([0, 36408.333, 65535])) < 1.4)
        assert encoding.decode(codes).valid.tolist() == [[True, True, True, False]]

    def test_a_code_reserved_beside_a_plane_between_two_codes(self):
        # the far plane is at 127.5, so 127 is as good as 128
        encoding = encoding_named("quake-odd", 1, 2, bits=8, invalid=128)
        assert encoding.encode(metres(1, 2, nan)).tolist() == [[255, 127, 128]]

    def test_beyond_the_planes_nothing_was_drawn(self):
        stale = np.array([[0.25, 0.75, 0.5, inf, -inf, nan]], np.float32)
        assert encoding_named("quake-even", 1, 10).decode(stale).valid.tolist() == [
            [True, False, True] + [False] * 3
        ]
        assert encoding_named("quake-odd", 1, 10).decode(stale).valid.tolist() == [
            [False, True, True] + [False] * 3
        ]
        everywhere = np.array([[0.0, 1.0, 1.1, inf, -inf, nan]], np.float32)
        assert encoding_named("opengl", 1, 10).decode(everywhere).valid.tolist() == [
            [True, True] + [False] * 4
        ]

    @given(
        st.lists(st.floats(1, 10), min_size=1, max_size=5), st.lists(st.floats(1, 10), min_size=1, max_size=5)
    )
    def test_quake_never_clears_its_buffer(self, even_frame, odd_frame):
        even = encoding_named("quake-even", 1, 10).encode(metres(*even_frame))[0]
        odd = encoding_named("quake-odd", 1, 10).encode(metres(*odd_frame))[0]
        # even frames draw where less or equal, odd ones where greater or equal: what is left never wins
        assert even.min() <= odd.min()
        assert odd.max() >= even.max()
        left = even.min()
        for code in odd:
            left = max(left, code)
        assert left == encoding_named("quake-odd", 1, 10).encode(metres(min(odd_frame)))[0, 0]
        for code in even:
            left = min(left, code)
        assert left == encoding_named("quake-even", 1, 10).encode(metres(min(even_frame)))[0, 0]

    def test_foreign_midas_files_are_affine_invariant_from_0_to_1(self):
        decoded = encoding_named("midas").decode(np.array([[0, 65535]], np.uint16))
        assert decoded == DepthMap.from_values([[0.0, 1.0]], "inverse_depth", "affine_invariant")
        dark = encoding_named("near-dark").decode(np.array([[0, 255]], np.uint8))
        assert dark == DepthMap.from_values([[1.0, 0.0]], "inverse_depth", "affine_invariant")

    def test_many_float_files_mark_no_depth_by_zero(self):
        decoded = encoding_named("metres").decode(np.array([[0.0, 2.0, nan, inf]], np.float32))
        assert decoded == metres(nan, 2, nan, inf)

    @pytest.mark.parametrize(
        ("name", "near_is_high"),
        [("opengl", False), ("reversed-z", True), ("kitti", False), ("midas", True), ("near-dark", False)],
    )
    def test_direction(self, name, near_is_high):
        planes = {"near": 1, "far": 10} if name in PLANES else {}
        assert encoding_named(name, **planes).near_is_high == near_is_high

    def test_lines(self):
        assert str(encoding_named("kitti")) == (
            "kitti: 16-bit metric depth in m, near is low, 0.00390625 at code 1, 255.996 at code 65535, "
            "not valid = 0"
        )
        assert str(encoding_named("quake-odd", 1, inf)) == (
            "quake-odd: float32 metric inverse-depth in 1/m, near is high, 1 m at code 1, inf m at code 0.5"
        )
        assert (
            str(encoding_named("metres"))
            == "metres: float32 metric depth in m, stored as it is, not valid = NaN"
        )

    def test_an_infinite_plane_goes_through_strict_json(self):
        encoding = encoding_named("reversed-z", 0.1, inf)
        text = json.dumps(encoding.to_dict(), allow_nan=False)
        assert Encoding.from_dict(json.loads(text)) == encoding

    def test_lossless_encoding_by_meaning(self):
        assert lossless_encoding("depth", "metric") == encoding_named("metres")
        assert {lossless_encoding(e.quantity, e.ambiguity).name for e in map(encoding_named, AS_IS)} == set(
            AS_IS
        )


class TestRefusals:
    @pytest.mark.parametrize("name", [*PLANES, *FIXED, "metres"])
    def test_affine_invariant_maps_have_no_metres(self, name):
        planes = (1, 10) if name in PLANES else ()
        affine = DepthMap.from_values([[1.0]], "inverse_depth", "affine_invariant")
        with pytest.raises(
            ConventionError, match="align it to a target, or give scale and shift, or near and far"
        ):
            encoding_named(name, *planes).encode(affine)

    def test_holes_need_a_code(self):
        with pytest.raises(ConventionError, match="invalid=CODE"):
            encoding_named("opengl", 1, 10, bits=16).encode(metres(2, nan))
        with pytest.raises(ConventionError, match="invalid=CODE"):
            encoding_named("midas").encode(DepthMap.from_values([[nan]], "inverse_depth", "affine_invariant"))

    def test_values_outside_a_fitted_range(self):
        with pytest.raises(ConventionError, match="encoding_for"):
            encoding_named("midas").encode(DepthMap.from_values([[1.5]], "inverse_depth", "affine_invariant"))

    def test_unknown_names_are_answered_with_the_known(self):
        with pytest.raises(ConventionError, match=r"unknown encoding 'kiti'; known: opengl, .*kitti"):
            encoding_named("kiti")

    @pytest.mark.parametrize(
        "planes", [(None, None), (1, None), (0, 1), (2, 1), (1, nan), (-1, 1), (inf, inf)]
    )
    @pytest.mark.parametrize("name", PLANES)
    def test_planes_out_of_order(self, name, planes):
        with pytest.raises(ConventionError, match="metres"):
            encoding_named(name, *planes)

    @pytest.mark.parametrize("name", LINEAR_PLANES)
    def test_linear_depth_ends_somewhere(self, name):
        with pytest.raises(ConventionError, match="far inf"):
            encoding_named(name, 1, inf)

    @pytest.mark.parametrize("options", [{"near": 1, "far": 2}, {"bits": 8}])
    def test_fixed_numbers_take_no_options(self, options):
        with pytest.raises(ConventionError, match="fixed"):
            encoding_named("kitti", **options)

    @pytest.mark.parametrize(
        "options", [{"bits": 12}, {"bits": 0}, {"invalid": 3}, {"bits": 8, "invalid": 256}]
    )
    def test_impossible_options(self, options):
        with pytest.raises(ConventionError):
            encoding_named("opengl", 1, 10, **options)

    @pytest.mark.parametrize(
        ("name", "codes"),
        [
            ("kitti", np.ones((1, 1), np.uint8)),
            ("kitti", np.ones((1, 1), np.float32)),
            ("kitti", np.full((1, 1), 65536, np.int32)),
            ("kitti", np.full((1, 1), -1, np.int32)),
            ("metres", np.ones((1, 1), np.uint16)),
        ],
    )
    def test_numbers_of_another_kind(self, name, codes):
        with pytest.raises(ConventionError, match=name):
            encoding_named(name).decode(codes)

    def test_more_than_24_bits(self):
        with pytest.raises(ConventionError, match="16777215"):
            encoding_named("opengl", 1, 10, bits=24).decode(np.full((1, 1), 2**24, np.uint32))

    def test_wider_integers_are_welcome(self):
        assert encoding_named("kitti").decode(np.array([[1280]], np.int32)) == metres(5.0)

    def test_codes_of_several_pictures(self):
        with pytest.raises(ConventionError):
            encoding_named("kitti").decode(np.ones((2, 2, 3), np.uint16))

    @pytest.mark.parametrize(
        "changes",
        [
            {"quantity": "disparity"},
            {"quantity": ["depth"]},
            {"ambiguity": "scale_invariant"},
            {"unit": None},
            {"unit": "mm"},
            {"bits": 7},
            {"bits": 16.0},
            {"bits": [16]},
            {"zero": "0"},
            {"zero": None},
            {"one": 0},
            {"one": 10**400},
            {"one": nan},
            {"invalid": None},
            {"invalid": 65536},
            {"invalid": 0.0},
            {"near": 1},
            {"outside": "clip"},
            {"outside": "keep"},
            {"outside": "wrap"},
            {"surplus": 1},
        ],
    )
    def test_spoilt_fields_from_a_file(self, changes):
        with pytest.raises(ConventionError):
            Encoding.from_dict(encoding_named("kitti").to_dict() | changes)

    @pytest.mark.parametrize("data", [{}, [], None, "kitti", 3])
    def test_something_else_from_a_file(self, data):
        with pytest.raises(ConventionError):
            Encoding.from_dict(data)
