"""How numbers in a file or a z-buffer stand for depth; every encoding is affine in its quantity."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from jaxtyping import Num

from openmidas.depth_map import Ambiguity, ConventionError, DepthMap, Quantity, value_range

Outside = Literal["clip", "invalid", "error", "keep"]
_Pair = tuple[float, float]
_Floats = npt.NDArray[np.floating[Any]]

_DTYPES = {None: np.float32, 8: np.uint8, 16: np.uint16, 24: np.uint32, 32: np.uint32}
_UNITS = {"depth": "m", "inverse_depth": "1/m"}
_BAND_PIXELS = 65536  # as float64 they stay in the cache while they are encoded


@dataclass(frozen=True)
class Encoding:
    """How numbers stand for depth: value = zero + (one - zero) * code / largest code.

    zero, one: the quantity's value at code 0 and at the largest code (2**bits - 1; 1.0 for float32).
    unit: "m" or "1/m" when metric, else None. bits: 8, 16, 24, 32 or None for float32.
    invalid: the reserved code; float32 uses NaN. near, far: metres, where planes define the encoding.
    outside: what becomes of values without a code: "clip" to the planes; "invalid", the reserved code (of
    a KITTI file: sky, too far, rounded to 0); "error", ConventionError; "keep", for float32 holds them all.
    Raises ConventionError for fields that contradict one another.
    """

    name: str
    quantity: Quantity
    ambiguity: Ambiguity
    unit: str | None
    bits: int | None
    zero: float
    one: float
    invalid: int | None = None
    near: float | None = None
    far: float | None = None
    outside: Outside = "error"

    def __post_init__(self) -> None:
        problem = next(_problems(self), None)
        if problem is not None:
            raise ConventionError(f"encoding {self.name!r}: {problem}")

    @property
    def largest(self) -> int:
        """The largest code: 2**bits - 1, or 1 for float32."""
        return _largest(self.bits)

    @property
    def step(self) -> float:
        """One quantisation step in the quantity, without sign; 0 for float32."""
        return 0.0 if self.bits is None else abs(self.one - self.zero) / self.largest

    @property
    def near_is_high(self) -> bool:
        """Whether nearer pixels have larger codes."""
        return (self.one > self.zero) == (self.quantity == "inverse_depth")

    def encode(self, depth_map: DepthMap) -> Num[np.ndarray, "h w"]:
        """Numbers (h, w) in uint8, uint16, uint32 or float32 that stand for the map.

        Converts between depth and inverse depth. Raises ConventionError for a map of more ambiguity than
        the encoding, for values it cannot hold (see `outside`), and for invalid pixels without a code.
        """
        values = _converted(self, depth_map).values
        codes = np.empty(values.shape, _DTYPES[self.bits])
        rows = max(1, _BAND_PIXELS // values.shape[1])
        for top in range(0, len(values), rows):
            codes[top : top + rows] = _band_codes(self, values[top : top + rows].astype(np.float64))
        return codes

    def decode(self, codes: Num[np.ndarray, "h w"]) -> DepthMap:
        """The DepthMap that numbers (h, w) stand for; ConventionError for numbers of another kind.

        Not valid are the reserved code, NaN, what lies beyond the near and far planes, and in float32
        a depth of 0 or an infinite inverse depth, by which many files mark pixels without depth.
        """
        _check_codes(self, codes)
        # a table of all codes costs less than arithmetic on every pixel
        table = self.bits in (8, 16)
        values = _values(self, np.arange(self.largest + 1))[codes] if table else _values(self, codes)
        values.flags.writeable = False
        return DepthMap.from_values(values, self.quantity, self.ambiguity)

    def to_dict(self) -> dict[str, Any]:
        """Its fields, ready for strict JSON: an infinite far plane is the word "inf"."""
        return {key: "inf" if value == math.inf else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Encoding:
        """The encoding of `to_dict`; ConventionError when a field is missing, unknown or of a wrong kind."""
        known = [field.name for field in fields(cls)]
        if not isinstance(data, Mapping) or set(data) != set(known):
            raise ConventionError(f"an encoding has the fields {', '.join(known)}, not {data!r:.99}")
        entries: dict[str, Any] = {key: math.inf if data[key] == "inf" else data[key] for key in known}
        return cls(**entries)

    def __str__(self) -> str:
        """One line that says what the numbers mean."""
        unit = f" in {self.unit}" if self.unit else ""
        meaning = f"{self.name}: {_kind(self.bits)} {self.ambiguity} {self.quantity}{unit}".replace("_", "-")
        if self.outside == "keep":
            return f"{meaning}, stored as it is, not valid = NaN"
        line = f"{meaning}, near is {'high' if self.near_is_high else 'low'}"
        if self.near is not None:
            near_code, far_code = _plane_codes(self)
            line += f", {self.near:g} m at code {near_code:.10g}, {self.far:g} m at code {far_code:.10g}"
        else:
            # no value has the reserved code, so tell those beside it
            first, last = int(self.invalid == 0), self.largest - (self.invalid == self.largest)
            at_first, at_last = _at_share(self, np.array([first, last]) / self.largest)
            line += f", {at_first:.6g} at code {first}, {at_last:.6g} at code {last}"
        return line if self.invalid is None else f"{line}, not valid = {self.invalid}"


@dataclass(frozen=True)
class _Row:
    """What a name fixes: how its ends are found, and where nearest and farthest lie between code 0 and 1."""

    ends: Literal["planes", "fixed", "fitted", "as_is"]
    quantity: Quantity
    ambiguity: Ambiguity
    bits: int | None = None
    nearest_at: float = 0.0
    farthest_at: float = 1.0
    codes_per_metre: float = 1.0


_OUTSIDE: dict[str, Outside] = {"planes": "clip", "fixed": "invalid", "fitted": "error", "as_is": "keep"}
# Sources: OpenGL specification (depth range); Quake's "z-trick" halves the buffer and turns it round each
# frame; KITTI, TUM RGB-D and Virtual KITTI development kits; Google's Depthmap Metadata (GDepth).
_TABLE: dict[str, _Row] = {
    "opengl": _Row("planes", "inverse_depth", "metric"),
    "reversed-z": _Row("planes", "inverse_depth", "metric", nearest_at=1.0, farthest_at=0.0),
    "quake-even": _Row("planes", "inverse_depth", "metric", nearest_at=0.0, farthest_at=0.5),
    "quake-odd": _Row("planes", "inverse_depth", "metric", nearest_at=1.0, farthest_at=0.5),
    "linear": _Row("planes", "depth", "metric"),
    "gdepth-range-inverse": _Row("planes", "inverse_depth", "metric", 8),
    "gdepth-range-linear": _Row("planes", "depth", "metric", 8),
    "kitti": _Row("fixed", "depth", "metric", 16, codes_per_metre=256),
    "tum": _Row("fixed", "depth", "metric", 16, codes_per_metre=5000),
    "millimetres": _Row("fixed", "depth", "metric", 16, codes_per_metre=1000),
    "centimetres": _Row("fixed", "depth", "metric", 16, codes_per_metre=100),
    "midas": _Row("fitted", "inverse_depth", "affine_invariant", 16, nearest_at=1.0, farthest_at=0.0),
    "near-white": _Row("fitted", "inverse_depth", "affine_invariant", 8, nearest_at=1.0, farthest_at=0.0),
    "near-dark": _Row("fitted", "inverse_depth", "affine_invariant", 8),
    "metres": _Row("as_is", "depth", "metric"),
    "inverse-metres": _Row("as_is", "inverse_depth", "metric"),
    "scale-invariant-depth": _Row("as_is", "depth", "scale_invariant"),
    "scale-invariant-inverse-depth": _Row("as_is", "inverse_depth", "scale_invariant"),
    "affine-invariant-depth": _Row("as_is", "depth", "affine_invariant"),
    "affine-invariant-inverse-depth": _Row("as_is", "inverse_depth", "affine_invariant"),
}


def encoding_names() -> tuple[str, ...]:
    """The names that `encoding_named` knows."""
    return tuple(_TABLE)


def encoding_named(
    name: str,
    near: float | None = None,
    far: float | None = None,
    bits: int | None = None,
    invalid: int | None = None,
) -> Encoding:
    """The encoding of that name, as a reader of a foreign file or z-buffer needs it.

    near, far: metres, for the encodings that planes define; far may be inf where inverse depth is stored.
    bits: 8, 16, 24 or 32 for those, else the name's own. invalid: a reserved code other than the name's own.
    midas, near-white and near-dark give affine-invariant inverse depth in [0, 1], every code valid.
    Raises ConventionError for an unknown name, and planes or bits that are missing, wrong or not asked for.
    """
    if name not in _TABLE:
        raise ConventionError(f"unknown encoding {name!r}; known: {', '.join(_TABLE)}")
    row = _TABLE[name]
    if row.ends == "planes":
        encoding = _between_planes(name, row if bits is None else replace(row, bits=bits), near, far)
    elif (near, far) != (None, None) or bits not in (None, row.bits):
        raise ConventionError(f"{name} takes no near, far or bits: its numbers are fixed")
    elif row.ends == "fixed":
        encoding = _with_ends(name, row, (0.0, _largest(row.bits) / row.codes_per_metre), invalid=0)
    elif row.ends == "fitted":
        encoding = _with_ends(name, row, (row.farthest_at, row.nearest_at))
    else:
        encoding = _with_ends(name, row, (0.0, 1.0))
    return encoding if invalid is None else replace(encoding, invalid=invalid)


def encoding_for(
    name: str,
    depth_map: DepthMap,
    near: float | None = None,
    far: float | None = None,
    bits: int | None = None,
    invalid: int | None = None,
) -> Encoding:
    """The encoding of that name, as a writer of this map needs it.

    midas, near-white and near-dark are fitted to the map's lowest and highest inverse depth and keep its
    ambiguity; when the map has invalid pixels, the code at the far end is reserved for them.
    Every other name is as in `encoding_named`. Raises ConventionError as there, and for a map without values.
    """
    encoding = encoding_named(name, near, far, bits, invalid)
    if _TABLE[name].ends != "fitted" or invalid is not None:
        return encoding
    return _fitted(name, _TABLE[name], depth_map.to_inverse_depth())


def lossless_encoding(quantity: Quantity, ambiguity: Ambiguity) -> Encoding:
    """The float32 encoding that stores values of this meaning as they are."""
    meaning = ("as_is", quantity, ambiguity)
    names = [name for name, row in _TABLE.items() if (row.ends, row.quantity, row.ambiguity) == meaning]
    if not names:
        raise ConventionError(f"no depth map holds {ambiguity} {quantity}")
    return encoding_named(names[0])


def _between_planes(name: str, row: _Row, near: float | None, far: float | None) -> Encoding:
    if near is None or far is None:
        raise ConventionError(f"{name} needs near and far in metres: without them its numbers have no unit")
    if not 0 < near < far or (row.quantity == "depth" and math.isinf(far)):
        raise ConventionError(f"{name} needs metres with 0 < near < far, not near {near}, far {far}")
    values = (near, far) if row.quantity == "depth" else (1 / near, 1 / far)
    ends = _ends(values, (row.nearest_at, row.farthest_at))
    return _with_ends(name, row, ends, planes=(float(near), float(far)))


def _fitted(name: str, row: _Row, inverse: DepthMap) -> Encoding:
    low, high = value_range(inverse)
    if low == high:
        # any range that starts at the value: all pixels get the far end
        high = low + max(1.0, abs(low))
    farthest_at, reserved = row.farthest_at, None
    if not inverse.valid.all():
        reserved = round(farthest_at * _largest(row.bits))
        farthest_at += (row.nearest_at - farthest_at) / _largest(row.bits)
    ends = _ends((high, low), (row.nearest_at, farthest_at))
    return _with_ends(name, replace(row, ambiguity=inverse.ambiguity), ends, reserved)


def _ends(values: _Pair, shares: _Pair) -> _Pair:
    """Values at code 0 and the largest, where the nearest and farthest lie at these shares of the largest."""
    (near, far), (near_at, far_at) = values, shares
    # this form gives near and far themselves, without rounding
    zero, one = (near * t + far * (1 - t) for t in ((at - far_at) / (near_at - far_at) for at in (0.0, 1.0)))
    return zero, one


def _with_ends(
    name: str, row: _Row, ends: _Pair, invalid: int | None = None, planes: _Pair | None = None
) -> Encoding:
    unit, outside = _UNITS[row.quantity] if row.ambiguity == "metric" else None, _OUTSIDE[row.ends]
    near, far = planes or (None, None)
    return Encoding(name, row.quantity, row.ambiguity, unit, row.bits, *ends, invalid, near, far, outside)


def _largest(bits: int | None) -> int:
    return 1 if bits is None else 2**bits - 1


def _kind(bits: int | None) -> str:
    return "float32" if bits is None else f"{bits}-bit"


def _problems(e: Encoding) -> Iterator[str]:
    """What contradicts itself; fields may come from a stranger's file, so kinds are checked as well."""
    if e.quantity not in get_args(Quantity) or e.ambiguity not in get_args(Ambiguity):
        yield f"unknown meaning {e.ambiguity} {e.quantity}"
    if e.unit != (_UNITS[e.quantity] if e.ambiguity == "metric" else None):
        yield f"{e.ambiguity} {e.quantity} cannot be in {e.unit}"
    if not (e.bits is None or _is_number(e.bits, int)) or e.bits not in _DTYPES:
        yield f"bits must be 8, 16, 24, 32 or None for float32, not {e.bits}"
    if not (_is_number(e.zero) and _is_number(e.one)) or e.zero == e.one:
        yield f"zero and one must be finite and differ, not {e.zero} and {e.one}"
    if e.outside not in get_args(Outside) or (e.outside == "keep" and e.bits is not None):
        yield f"values outside cannot be treated by {e.outside}"
    reserved = e.bits is not None and _is_number(e.invalid, int) and 0 <= (e.invalid or 0) <= e.largest
    if not reserved and (e.invalid is not None or e.outside == "invalid"):
        yield f"{_kind(e.bits)} numbers cannot mark invalid pixels by {e.invalid}"
    planes = _is_number(e.near) and (_is_number(e.far) or e.far == math.inf) and 0 < e.near < e.far  # type: ignore[operator]
    if planes != (e.outside == "clip") or not (planes or e.near is e.far is None):
        yield f"clipping goes with metres 0 < near < far, not near {e.near}, far {e.far}"


def _is_number(value: object, *kinds: type) -> bool:
    """Whether arithmetic in float64 can bear it and it is of one of the kinds (bool is no number)."""
    return type(value) in (kinds or (int, float)) and abs(value) < 1e300  # type: ignore[arg-type]


def _converted(encoding: Encoding, depth_map: DepthMap) -> DepthMap:
    """The map in the encoding's quantity, once its ambiguity and holes are known to fit."""
    order = get_args(Ambiguity)
    if order.index(depth_map.ambiguity) > order.index(encoding.ambiguity):
        raise ConventionError(
            f"{depth_map.ambiguity} {depth_map.quantity} cannot be written as {encoding.ambiguity} "
            f"{encoding.name}: align it to a target, or give scale and shift, or near and far metres"
        )
    if encoding.bits is not None and encoding.invalid is None and not depth_map.valid.all():
        raise ConventionError(f"{encoding} has no code for invalid pixels: pass invalid=CODE, or use float32")
    return depth_map.to_depth() if encoding.quantity == "depth" else depth_map.to_inverse_depth()


def _band_codes(encoding: Encoding, values: _Floats) -> _Floats:
    """Codes of float64 values in which NaN is not valid; works in place, for the arrays are large."""
    if encoding.outside == "keep":
        return values
    codes = np.subtract(values, encoding.zero, out=values)
    codes *= encoding.largest / (encoding.one - encoding.zero)
    if encoding.near is not None:
        np.clip(codes, *sorted(_plane_codes(encoding)), out=codes)
    # adding 0 turns -0.0 into 0.0
    return codes + 0.0 if encoding.bits is None else _whole_codes(encoding, codes)


def _whole_codes(encoding: Encoding, exact: _Floats) -> _Floats:
    codes, reserved = np.rint(exact), -1 if encoding.invalid is None else encoding.invalid
    if encoding.outside == "clip":
        codes = np.where(codes == reserved, _beside(encoding, reserved, exact), codes)
    if codes.min() > reserved and codes.max() <= encoding.largest:
        return codes
    outside = (codes < 0) | (codes > encoding.largest) | (codes == reserved)
    if encoding.outside == "error" and outside.any():
        raise ConventionError(f"the map has values that {encoding} cannot hold: fit it (encoding_for)")
    if encoding.invalid is not None:
        codes[outside | np.isnan(codes)] = reserved
    return codes


def _beside(encoding: Encoding, reserved: int, exact: _Floats) -> _Floats:
    """The code next to the reserved one, on the side where the value lies, and inwards at the ends."""
    lowest, highest = math.ceil(min(ends := _plane_codes(encoding)) - 0.5), math.floor(max(ends) + 0.5)
    downwards = (exact < reserved) & (reserved > lowest) | (reserved >= highest)
    return np.where(downwards, reserved - 1.0, reserved + 1.0)


def _plane_codes(encoding: Encoding) -> tuple[float, float]:
    """The code of the near and of the far plane, before rounding."""
    span = encoding.one - encoding.zero
    near, far = ((value - encoding.zero) / span * encoding.largest for value in _plane_values(encoding))
    return abs(near), abs(far)


def _plane_values(encoding: Encoding) -> tuple[float, float]:
    """The quantity's value at the near and the far plane."""
    near, far = encoding.near or math.nan, encoding.far or math.nan
    return (near, far) if encoding.quantity == "depth" else (1 / near, 1 / far)


def _check_codes(encoding: Encoding, codes: np.ndarray) -> None:
    if codes.ndim != 2:
        raise ConventionError(f"{encoding.name} codes are one picture (height, width), not {codes.shape}")
    bits, kind = encoding.bits, np.integer if encoding.bits else np.floating
    if not np.issubdtype(codes.dtype, kind) or codes.dtype.itemsize * 8 < (bits or 16):
        raise ConventionError(f"{encoding.name} holds {_kind(bits)} numbers, these are {codes.dtype}")
    # a dtype of just these bits needs no look at the codes
    roomy = bits is not None and codes.size > 0 and (bits == 24 or codes.dtype != _DTYPES[bits])
    if roomy and (codes.min() < 0 or codes.max() > encoding.largest):
        raise ConventionError(f"{encoding.name} codes go from 0 to {encoding.largest}, these do not")


def _values(encoding: Encoding, codes: np.ndarray) -> _Floats:
    """Float32 values of codes, NaN where not valid."""
    if encoding.outside == "keep":
        no_depth = (codes == 0) & (encoding.quantity == "depth" and encoding.ambiguity != "affine_invariant")
        return np.where(no_depth, np.float32(np.nan), codes.astype(np.float32))
    with np.errstate(invalid="ignore"):
        values = _at_share(encoding, codes.astype(np.float64) / encoding.largest)
    if encoding.near is not None:
        _keep_between_planes(encoding, values)
    if encoding.invalid is not None:
        values[codes == encoding.invalid] = np.nan
    return values.astype(np.float32)


def _at_share(encoding: Encoding, share: _Floats) -> _Floats:
    """The quantity's values at shares of the largest code, those at the ends and 0 without rounding."""
    values = encoding.zero * (1 - share) + encoding.one * share
    # rounding must not push the sky, at 0, to either side of it
    return np.where(np.abs(values) < 1e-6 * encoding.step, 0.0, values)


def _keep_between_planes(encoding: Encoding, values: _Floats) -> None:
    """In place: clipped to the planes; NaN further beyond them than rounding goes: nothing is there."""
    low, high = sorted(_plane_values(encoding))
    # a plane between two codes is stored as either: half a step, and the rounding of it
    slack = 0.501 * encoding.step if encoding.bits else 1e-6 * abs(encoding.one - encoding.zero)
    values[(values < low - slack) | (values > high + slack)] = np.nan
    np.clip(values, low, high, out=values)
