"""`openmidas video`: what it writes, says and refuses."""

import click
import pytest
from films_made import moving_square, read_back, write_film

from openmidas.cli.video_app import video
from openmidas.files import read_encoding


@pytest.fixture
def desk(monkeypatch, tmp_path):
    write_film(tmp_path / "film.mp4", map(moving_square, range(4)), sound=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys, *arguments):
    """Exit code, standard output, standard error."""
    try:
        video.main(arguments, prog_name="video", standalone_mode=True)
    except SystemExit as end:
        code = end.code or 0
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_film_of_depth_lies_beside_the_film_with_its_sound(desk, capsys):
    code, out, err = run(capsys, "film.mp4")
    assert (code, err) == (0, "")
    assert out.startswith("Wrote film_depth.mp4: 4 frames, 10 a second, in ")
    assert out.endswith("Its sound goes along.\n")
    frames, rate = read_back(desk / "film_depth.mp4")
    assert (len(frames), rate) == (4, 10)


def test_numbers_go_into_a_folder_and_their_meaning_is_said(desk, capsys):
    code, out, _ = run(capsys, "film.mp4", "--format", "webm,png16", "-o", "out", "--side-by-side")
    assert code == 0
    assert out.startswith("Wrote out.webm and out: 4 frames")
    assert "Without its sound (aac)." in out
    assert f"Every PNG is {read_encoding(desk / 'out' / '00003.png')}." in out
    assert read_back(desk / "out.webm")[0][0].shape == (48, 128, 3)


def test_the_name_says_what_it_becomes(desk, capsys):
    assert run(capsys, "film.mp4", "-o", "a.gif")[0] == 0
    assert run(capsys, "film.mp4", "-o", "numbers")[0] == 0
    assert (desk / "a.gif").is_file()
    assert (desk / "numbers" / "00000.png").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("no.mp4",), 1, "Error: no.mp4: no such file"),
        (("text.mp4",), 1, "Error: text.mp4: is not a film of a known kind"),
        (("film.mp4", "-o", "film.mp4"), 1, "Error: film.mp4: exists: add --overwrite"),
        (("film.mp4", "-o", "no/a.mp4"), 1, "Error: no/a.mp4: the folder"),
        (("film.mp4", "-o", "a.avi"), 2, "--format has no 'avi'"),
        (("film.mp4", "--format", "mp4,gif"), 2, "one kind of clip at a time"),
        (("film.mp4", "--format", "gif", "-o", "a.mp4"), 2, "is no gif"),
        (("film.mp4", "--model", "none"), 2, "--model has no 'none'"),
        (("film.mp4", "--colormap", "none"), 2, "--colormap has no 'none'"),
    ],
)
def test_what_cannot_be_done_is_one_line(desk, capsys, arguments, code, problem):
    (desk / "text.mp4").write_text("no film at all")
    before = sorted(desk.iterdir())
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert problem in err.splitlines()[-1]
    assert "Traceback" not in err
    assert sorted(desk.iterdir()) == before


def test_the_help_has_an_example():
    with click.Context(video) as context:
        assert "openmidas video film.mp4 --side-by-side" in video.get_help(context)
