"""Which pictures files, folders, patterns and lists mean."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from openmidas.cli.inputs import find_pictures

ENDINGS = ("_depth.png", "_heatmap.png", "_depth.npz")


@pytest.fixture
def album(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        *("a.jpg", "B.JPEG", "c[1].png", "notes.txt", ".hidden.jpg", "._a.jpg"),
        *("a_depth.png", "a_heatmap.png", "a_depth.npz", "old_depth.png"),
        *("sub/d.webp", "sub/a.jpg", "sub/deep/e.tif", ".trash/f.jpg"),
    ):
        path = tmp_path / "album" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path / "album"


def found(*words: str, recursive: bool = False) -> list[str]:
    inputs = find_pictures(words, recursive, ENDINGS)
    assert not inputs.problems
    return [picture.path.as_posix() for picture in inputs.pictures]


def problems(*words: str, recursive: bool = False) -> list[str]:
    return [str(problem) for problem in find_pictures(words, recursive, ENDINGS).problems]


@pytest.mark.usefixtures("album")
class TestWords:
    def test_a_folder_means_its_pictures_without_hidden_files_and_our_own(self) -> None:
        assert found("album") == ["album/B.JPEG", "album/a.jpg", "album/c[1].png"]

    def test_recursive_goes_into_sub_folders_but_not_hidden_ones(self) -> None:
        below = ["album/sub/a.jpg", "album/sub/d.webp", "album/sub/deep/e.tif"]
        assert found("album", recursive=True) == ["album/B.JPEG", "album/a.jpg", "album/c[1].png", *below]

    def test_a_pattern_in_quotes_is_understood(self) -> None:
        assert found("album/*.j*", "album/*.J*") == ["album/a.jpg", "album/B.JPEG"]
        assert found("album/**/*.jpg") == ["album/a.jpg", "album/sub/a.jpg"]
        assert found("album/*") == ["album/B.JPEG", "album/a.jpg", "album/c[1].png"]

    def test_a_file_whose_name_looks_like_a_pattern_is_a_file(self) -> None:
        assert found("album/c[1].png") == ["album/c[1].png"]

    def test_a_named_file_is_taken_whatever_its_name(self) -> None:
        assert found("album/notes.txt", "album/old_depth.png", "gone.jpg") == [
            "album/notes.txt",
            "album/old_depth.png",
            "gone.jpg",
        ]

    def test_what_a_shell_pattern_gives_of_our_own_is_left_out(self) -> None:
        words = ["album/a.jpg", "album/a_depth.npz", "album/a_depth.png", "album/a_heatmap.png"]
        inputs = find_pictures(words, False, ENDINGS)
        assert [picture.path.name for picture in inputs.pictures] == ["a.jpg"]
        assert sorted(path.name for path in inputs.left_out) == [
            "a_depth.npz",
            "a_depth.png",
            "a_heatmap.png",
        ]

    def test_every_picture_is_taken_once(self) -> None:
        assert found("album/a.jpg", "album", "album/../album/a.jpg", "album/*.jpg") == [
            "album/a.jpg",
            "album/B.JPEG",
            "album/c[1].png",
        ]

    def test_words_that_mean_no_picture_are_named(self) -> None:
        assert problems("empty") == ["empty: holds no pictures: add --recursive to look into its sub-folders"]
        assert problems("empty", recursive=True) == ["empty: holds no pictures"]
        assert problems("album/*.bmp") == ["album/*.bmp: matches no picture"]

    def test_top_is_the_folder_asked_for(self) -> None:
        def tops(*words: str) -> set[str]:
            return {picture.top.as_posix() for picture in find_pictures(words, True, ENDINGS).pictures}

        assert tops("album") == {"album"}
        assert tops("album/sub/d.webp") == {"album/sub"}
        assert tops("album/**/*.jpg") == {"album"}
        assert tops("alb*/sub/*.jpg") == {"."}

    def test_an_empty_list_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"\n\n")))
        assert problems("-") == ["-: standard input lists no pictures"]

    @pytest.mark.parametrize("gap", ["\n", "\0"])
    def test_standard_input_lists_paths(self, gap: str, monkeypatch: pytest.MonkeyPatch) -> None:
        data = gap.join(["album/a.jpg", "album/sub", ""]).encode()
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert found("album/B.JPEG", "-") == [
            "album/B.JPEG",
            "album/a.jpg",
            "album/sub/a.jpg",
            "album/sub/d.webp",
        ]
