"""The focal length that cameras write, by numbers worked out by hand."""

import math

import pytest
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

from openmidas.files import read_focal_length_px

FOCAL_LENGTH, IN_35MM, X_RESOLUTION, UNIT, WIDTH, HEIGHT = 0x920A, 0xA405, 0xA20E, 0xA210, 0xA002, 0xA003


def photo(path, tags, size=(300, 200), orientation=1):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif.get_ifd(0x8769).update(tags)
    Image.new("RGB", size).save(path, "JPEG", exif=exif)
    return path


def test_the_35_mm_equivalent_counts_by_the_diagonal(tmp_path):
    # A 3:2 picture is the film's 36 mm by 24 mm scaled, so 36 mm are its width.
    assert read_focal_length_px(photo(tmp_path / "a.jpg", {IN_35MM: 36})) == pytest.approx(300)
    # A 4:3 picture of 400 by 300 has a diagonal of 500 pixels for 43.27 mm.
    focal_px = read_focal_length_px(photo(tmp_path / "a.jpg", {IN_35MM: 26}, (400, 300)))
    assert focal_px == pytest.approx(26 * 500 / math.sqrt(36**2 + 24**2))


@pytest.mark.parametrize(("unit", "per_unit"), [(2, 254), (3, 100), (4, 10), (5, 0.01)])
def test_the_focal_plane_resolution_counts_in_its_unit(tmp_path, unit, per_unit):
    # 10 pixels a millimetre in every unit, 50 mm: 500 pixels.
    tags = {FOCAL_LENGTH: IFDRational(50), X_RESOLUTION: IFDRational(per_unit), UNIT: unit}
    assert read_focal_length_px(photo(tmp_path / "a.jpg", tags)) == pytest.approx(500)


def test_a_picture_made_smaller_since_scales_the_focal_plane(tmp_path):
    tags = {FOCAL_LENGTH: IFDRational(50), X_RESOLUTION: IFDRational(100), UNIT: 3, WIDTH: 600, HEIGHT: 400}
    assert read_focal_length_px(photo(tmp_path / "a.jpg", tags)) == pytest.approx(250)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_turned_picture_keeps_its_focal_length(tmp_path, orientation):
    tags = {FOCAL_LENGTH: IFDRational(50), X_RESOLUTION: IFDRational(100), UNIT: 3, WIDTH: 300, HEIGHT: 200}
    assert read_focal_length_px(photo(tmp_path / "a.jpg", tags, orientation=orientation)) == pytest.approx(
        500
    )
    assert read_focal_length_px(
        photo(tmp_path / "a.jpg", {IN_35MM: 36}, orientation=orientation)
    ) == pytest.approx(300)


@pytest.mark.parametrize(
    "tags",
    [
        {},
        {IN_35MM: 0},
        {FOCAL_LENGTH: IFDRational(50)},
        {FOCAL_LENGTH: IFDRational(50, 0), X_RESOLUTION: IFDRational(100)},
        {FOCAL_LENGTH: IFDRational(50), X_RESOLUTION: IFDRational(0)},
        {FOCAL_LENGTH: IFDRational(50), X_RESOLUTION: IFDRational(100), UNIT: 1},
    ],
)
def test_without_usable_numbers_there_is_none(tmp_path, tags):
    assert read_focal_length_px(photo(tmp_path / "a.jpg", tags)) is None


def test_the_35_mm_equivalent_comes_first(tmp_path):
    tags = {IN_35MM: 36, FOCAL_LENGTH: IFDRational(50), X_RESOLUTION: IFDRational(100), UNIT: 3}
    assert read_focal_length_px(photo(tmp_path / "a.jpg", tags)) == pytest.approx(300)


def test_a_picture_without_exif_has_none(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert read_focal_length_px(tmp_path / "a.png") is None
