import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from openmidas.depth_map import ConventionError, DepthMap, value_range, with_near_far

nan, inf = math.nan, math.inf
SHAPES = npst.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=7)
METRES = st.floats(0.015625, 1024, width=32)


@st.composite
def depth_maps(draw, holes=True, quantity="depth", ambiguity="metric"):
    values = draw(npst.arrays(np.float32, SHAPES, elements=METRES))
    valid = draw(npst.arrays(bool, values.shape)) if holes else np.ones(values.shape, bool)
    return DepthMap.from_values(values, quantity, ambiguity, valid)


def relative(values, valid=None):
    return DepthMap.from_values(values, "inverse_depth", "affine_invariant", valid)


class TestMeaning:
    def test_values_become_float32_with_nan_where_not_valid(self):
        depth_map = DepthMap.from_values([[1, 2], [3, 4]], "depth", "metric", [[True, False], [True, True]])
        assert depth_map.values.dtype == np.float32
        assert depth_map.valid.dtype == np.bool_
        assert np.array_equal(depth_map.values, [[1, nan], [3, 4]], equal_nan=True)
        assert depth_map.shape == (2, 2)

    def test_nan_is_not_valid_and_sky_is(self):
        assert DepthMap.from_values([[nan, inf, 1.0]], "depth", "metric").valid.tolist() == [
            [False, True, True]
        ]
        assert DepthMap.from_values([[nan, inf, 0.0]], "inverse_depth", "metric").valid.tolist() == [
            [False, False, True]
        ]

    @pytest.mark.parametrize("ambiguity", ["metric", "scale_invariant"])
    @pytest.mark.parametrize(
        ("quantity", "value"),
        [("depth", 0.0), ("depth", -1.0), ("inverse_depth", -0.1), ("depth", -inf)],
    )
    def test_impossible_values_raise(self, quantity, value, ambiguity):
        with pytest.raises(ConventionError):
            DepthMap.from_values([[1.0, value]], quantity, ambiguity)

    def test_infinite_inverse_depth_marked_valid_raises(self):
        with pytest.raises(ConventionError, match="infinite"):
            DepthMap.from_values([[1.0, inf]], "inverse_depth", "affine_invariant", [[True, True]])

    def test_nan_marked_valid_raises(self):
        with pytest.raises(ConventionError, match="NaN"):
            relative([[1.0, nan]], [[True, True]])

    def test_affine_invariant_values_may_be_negative(self):
        assert relative([[-3.0, 0.0]]).values.tolist() == [[-3.0, 0.0]]

    @pytest.mark.parametrize("shape", [(3,), (1, 2, 3), (0, 4), (4, 0), ()])
    def test_other_shapes_than_one_picture_raise(self, shape):
        with pytest.raises(ConventionError, match="one picture"):
            DepthMap.from_values(np.ones(shape), "depth", "metric")

    def test_unequal_shapes_raise(self):
        with pytest.raises(ConventionError, match="valid has shape"):
            DepthMap.from_values(np.ones((2, 2)), "depth", "metric", np.ones((2, 3), bool))

    def test_valid_as_numbers_raises(self):
        with pytest.raises(ConventionError, match="bool"):
            DepthMap.from_values(np.ones((2, 2)), "depth", "metric", np.full((2, 2), 255))

    def test_unknown_words_raise(self):
        ones = np.ones((1, 1), np.float32)
        with pytest.raises(ConventionError, match="'disparity' is not one of depth, inverse_depth"):
            DepthMap(ones, ones > 0, "disparity", "metric")
        with pytest.raises(ConventionError, match="'relative'"):
            DepthMap(ones, ones > 0, "depth", "relative")


class TestArrays:
    def test_arrays_are_read_only_and_apart_from_the_callers(self):
        values, valid = np.ones((2, 2), np.float32), np.ones((2, 2), bool)
        depth_map = DepthMap(values, valid, "depth", "metric")
        values[:], valid[:] = 7, False
        assert np.all(depth_map.values == 1)
        assert depth_map.valid.all()
        with pytest.raises(ValueError, match="read-only"):
            depth_map.values[0, 0] = 2
        with pytest.raises(ValueError, match="read-only"):
            depth_map.valid[0, 0] = False

    def test_callers_arrays_stay_as_they_were(self):
        values, valid = np.ones((1, 2), np.float32), np.array([[True, False]])
        DepthMap(values, valid, "depth", "metric")
        values[:], valid[:] = 2, True

    def test_a_read_only_array_is_not_copied(self):
        values = np.ones((2, 2), np.float32)
        values.flags.writeable = False
        assert DepthMap.from_values(values, "depth", "metric").values is values

    def test_arrays_are_contiguous(self):
        values = np.ones((4, 6), np.float32)[::2, ::3]
        assert DepthMap.from_values(values, "depth", "metric").values.flags.c_contiguous
        assert relative(np.ones((4, 6))).crop(1, 1, 2, 2).values.flags.c_contiguous

    @given(depth_maps())
    def test_equal_when_all_is_equal(self, depth_map):
        again = DepthMap.from_values(depth_map.values.copy(), "depth", "metric")
        assert depth_map == again
        assert depth_map != DepthMap.from_values(depth_map.values, "depth", "scale_invariant")
        assert depth_map != DepthMap.from_values(depth_map.values, "inverse_depth", "metric")
        if depth_map.valid.any():
            assert depth_map != DepthMap.from_values(depth_map.values * 2, "depth", "metric")
        assert depth_map != "a depth map"

    def test_repr_is_one_short_line(self):
        assert repr(relative([[0.0, 4.0, nan, 1.5]])) == (
            "DepthMap(1×4, affine_invariant inverse_depth, 75.0% valid, 0 to 4)"
        )
        assert "no valid pixel" in repr(relative([[nan]]))


class TestConversion:
    def test_inverse_of_two_metres_and_of_the_sky(self):
        depth = DepthMap.from_values([[2.0, inf, nan]], "depth", "metric")
        inverse = DepthMap.from_values([[0.5, 0.0, nan]], "inverse_depth", "metric")
        assert depth.to_inverse_depth() == inverse
        assert inverse.to_depth() == depth

    def test_negative_zero_is_the_sky(self):
        assert DepthMap.from_values([[-0.0]], "inverse_depth", "metric").to_depth().values[0, 0] == inf

    @pytest.mark.parametrize("ambiguity", ["metric", "scale_invariant"])
    @given(data=st.data())
    def test_there_and_back_is_the_same_map(self, ambiguity, data):
        depth_map = data.draw(depth_maps(ambiguity=ambiguity))
        back = depth_map.to_inverse_depth().to_depth()
        assert back.ambiguity == ambiguity
        assert np.array_equal(back.valid, depth_map.valid)
        np.testing.assert_allclose(back.values, depth_map.values, rtol=2e-7)

    @given(depth_maps(holes=False))
    def test_conversion_turns_the_order_round(self, depth_map):
        inverse = depth_map.to_inverse_depth()
        order = np.argsort(depth_map.values, axis=None)
        assert np.all(np.diff(inverse.values.ravel()[order]) <= 0)

    def test_affine_invariant_maps_cannot_be_inverted(self):
        with pytest.raises(ConventionError, match="align it"):
            relative([[1.0]]).to_depth()
        with pytest.raises(ConventionError, match="near and far"):
            DepthMap.from_values([[1.0]], "depth", "affine_invariant").to_inverse_depth()
        assert relative([[1.0]]).to_inverse_depth() == relative([[1.0]])


class TestMetres:
    def test_scale_and_shift_make_it_metric(self):
        metric = relative([[1.0, 2.0, nan]]).with_scale_shift(0.5, 0.25)
        assert metric == DepthMap.from_values([[0.75, 1.25, nan]], "inverse_depth", "metric")

    @pytest.mark.parametrize(("scale", "shift"), [(0, 1), (-1, 5), (nan, 0), (1, inf), (1, -1.5)])
    def test_scale_and_shift_without_meaning_raise(self, scale, shift):
        with pytest.raises(ConventionError):
            relative([[1.0, 2.0]]).with_scale_shift(scale, shift)

    def test_near_and_far_metres_by_hand(self):
        metric = with_near_far(relative([[-1.0, 0.0, 3.0, nan]]), 0.5, 4.0)
        assert metric == DepthMap.from_values([[0.25, 0.6875, 2.0, nan]], "inverse_depth", "metric")

    def test_far_may_be_the_sky(self):
        assert with_near_far(relative([[3.0, 7.0]]), 2.0, inf).to_depth().values.tolist() == [[inf, 2.0]]

    @given(depth_maps(False, "inverse_depth", "affine_invariant"), METRES, st.floats(1.01, 1000))
    def test_nearest_and_farthest_pixel_get_the_stated_metres(self, depth_map, near, factor):
        if np.ptp(depth_map.values) == 0:
            with pytest.raises(ConventionError, match="constant"):
                with_near_far(depth_map, near, near * factor)
            return
        depth = with_near_far(depth_map, near, near * factor).to_depth().values
        assert depth.flat[depth_map.values.argmax()] == pytest.approx(near, rel=1e-6)
        assert depth.flat[depth_map.values.argmin()] == pytest.approx(near * factor, rel=1e-6)

    @pytest.mark.parametrize(("near", "far"), [(0, 1), (-1, 1), (2, 1), (1, 1), (nan, 1), (inf, inf)])
    def test_planes_out_of_order_raise(self, near, far):
        with pytest.raises(ConventionError, match="near"):
            with_near_far(relative([[1.0, 2.0]]), near, far)

    def test_only_affine_invariant_inverse_depth_takes_near_and_far(self):
        with pytest.raises(ConventionError, match="not metric depth"):
            with_near_far(DepthMap.from_values([[1.0, 2.0]], "depth", "metric"), 1, 2)

    def test_value_range_leaves_out_holes_and_sky(self):
        assert value_range(DepthMap.from_values([[nan, 2.0, 5.0, inf]], "depth", "metric")) == (2, 5)
        with pytest.raises(ConventionError, match="no valid pixel"):
            value_range(relative([[nan]]))
        with pytest.raises(ConventionError, match="no valid pixel"):
            value_range(DepthMap.from_values([[inf]], "depth", "metric"))


def resized_plainly(values, shape):
    """Bilinear over valid pixels, one by one; a pixel is what its nearest one is, if that is not finite."""
    result = np.empty(shape, np.float64)
    for row, column in np.ndindex(*shape):
        weights = np.outer(
            _weights(row, shape[0], values.shape[0]), _weights(column, shape[1], values.shape[1])
        )
        nearest = tuple((2 * np.array([row, column]) + 1) * values.shape // (2 * np.array(shape)))
        finite = np.isfinite(values)
        if finite[nearest]:
            result[row, column] = (weights * np.where(finite, values, 0)).sum() / (weights * finite).sum()
        else:
            result[row, column] = values[nearest]
    return result


def _weights(index, new, old):
    at = np.clip((index + 0.5) * old / new - 0.5, 0, old - 1)
    return np.maximum(0, 1 - np.abs(np.arange(old) - at))


class TestResize:
    def test_pixel_centres_are_at_a_half(self):
        assert relative([[0.0, 1.0]]).resize((1, 4)).values.tolist() == [[0, 0.25, 0.75, 1]]
        assert relative([[0.0, 1.0, 2.0, 3.0]]).resize((1, 2)).values.tolist() == [[0.5, 2.5]]

    def test_a_hole_neither_grows_nor_shrinks(self):
        resized = relative([[1.0, nan, 5.0]]).resize((2, 6))
        assert np.array_equal(resized.values, [[1, 1, nan, nan, 5, 5]] * 2, equal_nan=True)

    def test_the_sky_stays_where_it_is(self):
        resized = DepthMap.from_values([[1.0, inf, 5.0]], "depth", "metric").resize((1, 6))
        assert resized.values.tolist() == [[1, 1, inf, inf, 5, 5]]

    @given(depth_maps(), st.tuples(st.integers(1, 9), st.integers(1, 9)))
    def test_agrees_with_the_plain_reference(self, depth_map, shape):
        values = np.where(depth_map.values > 512, np.float32(inf), depth_map.values)
        depth_map = DepthMap.from_values(values, "depth", "metric")
        resized = depth_map.resize(shape)
        np.testing.assert_allclose(resized.values, resized_plainly(values, shape), rtol=1e-5)
        assert (resized.quantity, resized.ambiguity) == ("depth", "metric")

    @pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
    @given(
        depth_map=depth_maps(False, "inverse_depth"), shape=st.tuples(st.integers(1, 20), st.integers(1, 20))
    )
    def test_no_value_leaves_the_range(self, interpolation, depth_map, shape):
        resized = depth_map.resize(shape, interpolation)
        assert resized.shape == shape
        assert resized.values.min() >= depth_map.values.min()
        assert resized.values.max() <= depth_map.values.max()

    def test_bicubic_overshoots_no_more(self):
        step = DepthMap.from_values(np.repeat([[0.0, 0.0, 1.0, 1.0]], 4, axis=0), "inverse_depth", "metric")
        resized = step.resize((16, 16), "bicubic")
        assert resized.values.min() == 0
        assert resized.values.max() == 1
        # sharper than bilinear, or it would not be bicubic
        assert resized.values[8, 8] > step.resize((16, 16)).values[8, 8]

    @given(depth_maps())
    def test_the_same_size_is_the_same_map(self, depth_map):
        assert depth_map.resize(depth_map.shape) == depth_map

    def test_a_map_without_valid_pixels_stays_so(self):
        assert not relative([[nan, nan]]).resize((3, 3)).valid.any()

    def test_bicubic_refuses_holes(self):
        with pytest.raises(ConventionError, match="use bilinear"):
            relative([[1.0, nan]]).resize((2, 2), "bicubic")

    @pytest.mark.parametrize("shape", [(0, 3), (3, 0), (-1, 3)])
    def test_sizes_without_pixels_raise(self, shape):
        with pytest.raises(ConventionError, match="cannot resize"):
            relative([[1.0]]).resize(shape)

    def test_very_wide_pictures_resize(self):
        ramp = np.linspace(0, 1, 256, dtype=np.float32)[None]
        assert relative(ramp).resize((1, 65500)).values[0, -1] == 1


class TestCrop:
    def test_crop_by_hand(self):
        numbers = np.arange(1.0, 13).reshape(3, 4)
        valid = numbers != 7
        cropped = DepthMap.from_values(numbers, "depth", "metric", valid).crop(1, 2, 2, 2)
        assert cropped == DepthMap.from_values([[nan, 8], [11, 12]], "depth", "metric")

    @pytest.mark.parametrize(
        "box",
        [
            (0, 0, 3, 2),
            (0, 0, 2, 3),
            (1, 0, 2, 1),
            (0, 1, 1, 2),
            (-1, 0, 1, 1),
            (0, -1, 1, 1),
            (0, 0, 0, 1),
            (0, 0, 1, -1),
        ],
    )
    def test_boxes_that_are_not_inside_raise(self, box):
        with pytest.raises(ConventionError, match="not inside 2×2"):
            relative(np.ones((2, 2))).crop(*box)
