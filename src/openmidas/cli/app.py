"""The commands, their options and their help; what they do stands in the files beside this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

import openmidas
from openmidas.cli import (
    FAILED,
    data_app,
    effect_app,
    evaluate_app,
    scene_app,
    serve_app,
    train_app,
    video_app,
)
from openmidas.cli.options import HELP, PATH, one_line_errors

_STARTED = time.perf_counter()


def run(arguments: Sequence[str]) -> None:
    """Run these arguments and exit; `photo.jpg` is short for `predict photo.jpg`, none ask for help."""
    words = list(arguments) or ["--help"]
    known = {*app.commands, "--help", "-h", "--version"}
    app.main(words if words[0] in known else ["predict", *words], prog_name="openmidas")


@click.group(context_settings=HELP)
@click.version_option(openmidas.__version__, message="openmidas %(version)s", help="Print the version.")
def app() -> None:
    """Depth maps from single pictures, offline.

    \b
    Example:
      openmidas photo.jpg       makes photo_depth.png and photo_heatmap.png;
                                the same as openmidas predict photo.jpg
    """


@app.command(short_help="Make depth maps of pictures.", context_settings=HELP)
@click.argument("inputs", metavar="IN...", nargs=-1, required=True)
@click.option(
    "-o", "--output", metavar="DIR", type=PATH, help="Where the files go.  [default: beside each picture]"
)
@click.option(
    "--format",
    "formats",
    metavar="LIST",
    default="png16,heatmap",
    show_default=True,
    help="Any of png16, pfm, npz, npy, tiff, exr, heatmap, with commas between.",
)
@click.option("-r", "--recursive", is_flag=True, help="Look into sub-folders; -o DIR keeps them.")
@click.option("--overwrite", is_flag=True, help="Do again what is done; otherwise it is skipped.")
@click.option(
    "--model",
    metavar="NAME",
    default="tiny",
    show_default=True,
    help="The network: a published one (see openmidas models), or an exported file.onnx.",
)
@click.option(
    "--size",
    metavar="PIXELS",
    type=click.IntRange(32, 2048),
    help="Side of the picture at the network (tiny: the short one).  [default: the network's own]",
)
@click.option(
    "--device",
    metavar="NAME",
    default="cpu",
    show_default=True,
    help="cpu, cuda, mps; with file.onnx also tensorrt, coreml, directml, openvino.",
)
@click.option(
    "--precision",
    metavar="NAME",
    default="float32",
    show_default=True,
    help="Of a published network's arithmetic: float32, bfloat16 or float16.",
)
@click.option("--compile", is_flag=True, help="Compile a published network first: for many pictures.")
@click.option(
    "--colormap",
    metavar="NAME",
    default="inferno",
    show_default=True,
    help="Colours of the heatmap: inferno, magma, turbo or gray.",
)
@click.option("--far-bright", is_flag=True, help="Heatmap with the far bright instead of the near.")
@click.option(
    "--jobs", metavar="N", type=click.IntRange(1, 256), help="Pictures at a time.  [default: one a core]"
)
def predict(**options: Any) -> None:
    """Make depth maps of pictures: NAME_depth.png (16 bit) and NAME_heatmap.png, or other formats.

    IN is any number of pictures, folders, patterns such as 'photos/*.jpg', or - for a list of paths on
    standard input.

    The numbers are inverse depth: near is high, far is low, and there is no unit (dpt_hybrid_kitti, dpt_hybrid_nyu:
    depth in metres). One bad picture does not stop the others; what is done already is skipped, so the same command
    goes on where it was stopped. The weights of a published network are downloaded at its first use.

    \b
    Examples:
      openmidas photo.jpg
      openmidas predict holiday --recursive -o depths --format png16,npz
      openmidas predict photo.jpg --model dpt_large_384 --device cuda
      openmidas predict photo.jpg --model exported.onnx
      find . -name '*.jpg' | openmidas predict - -o depths
    """
    with one_line_errors():
        from openmidas.cli.predict import Request, predict_all

        all_done = predict_all(Request(**options), _STARTED)
    raise SystemExit(0 if all_done else FAILED)


def _about_the_numbers(command: Callable[..., None]) -> Callable[..., None]:
    """The options of commands that read depth files, which go into one `Meaning`."""
    for option in (
        click.option("--shape", metavar="HxW", help="Height and width of a file without header (eth3d)."),
        click.option(
            "--bits", metavar="N", type=int, help="Bits of z-buffer numbers (opengl …): 8, 16, 24 or 32."
        ),
        click.option(
            "--far",
            metavar="METRES",
            type=float,
            help="Distance of the far plane or farthest pixel; may be inf.",
        ),
        click.option(
            "--near", metavar="METRES", type=float, help="Distance of the near plane or nearest pixel."
        ),
        click.option(
            "--from",
            "encoding",
            metavar="ENCODING",
            help="What the numbers mean, if the file does not say so.",
        ),
    ):
        command = option(command)
    return command


@app.command(short_help="Convert a depth map to another kind of file or meaning.", context_settings=HELP)
@click.argument("source", metavar="IN", type=PATH)
@click.argument("target", metavar="OUT", type=PATH)
@_about_the_numbers
@click.option("--to", metavar="ENCODING", help="What the numbers written mean.  [default: see below]")
@click.option("--scale", metavar="S", type=float, help="State that S × value + T is in metres (or 1/metres).")
@click.option("--shift", metavar="T", type=float, help="See --scale.  [default: 0]")
@click.option(
    "--photo",
    metavar="PHOTO",
    type=PATH,
    help="The photo that OUT.jpg shows, carrying the depth map (GDepth).",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
def convert(
    source: Path,
    target: Path,
    to: str | None,
    scale: float | None,
    shift: float | None,
    photo: Path | None,
    overwrite: bool,
    **meaning: Any,
) -> None:
    """Convert a depth map to another kind of file, or to another meaning of its numbers.

    IN is PNG, PFM, NPZ, NPY, TIFF, EXR, Sintel .dpt, an 8-bit picture, or a portrait-mode .jpg or .heic; OUT is
    .png, .pfm, .npz, .npy, .tiff, .exr, or .jpg with --photo. By default the values stay as they are; a PNG
    stretches them over its 16 bits (midas).

    A map without metres, such as a predicted one, becomes metric only by what you state: --near and --far
    of the scene, or --scale and --shift.

    \b
    ENCODING is one of
      kitti, tum, millimetres, centimetres      depth in 16 bits
      metres, inverse-metres                    floats
      midas, near-white, near-dark              inverse depth without unit, 16 and 8 bits
      opengl, reversed-z, quake-even, quake-odd, linear,
      gdepth-range-inverse, gdepth-range-linear between --near and --far
      scale-invariant-depth, scale-invariant-inverse-depth,
      affine-invariant-depth, affine-invariant-inverse-depth
      only --from: eth3d, diode, middlebury     files of these data sets
      only --to: heatmap                        colours to look at

    \b
    Examples:
      openmidas convert 0000000005.png depth.pfm --from kitti --to metres
      openmidas convert photo_depth.png photo.npz --near 0.8 --far 30
      openmidas convert zbuffer.png depth.exr --from opengl --near 0.1 --far 100
      openmidas convert photo_depth.png portrait.jpg --photo photo.jpg --near 0.4 --far 6
    """
    with one_line_errors():
        from openmidas.cli.convert import Wanted, convert_file
        from openmidas.cli.meaning import Meaning

        wanted = Wanted(to, scale, shift, overwrite, photo)
        click.echo(convert_file(source, target, Meaning(**meaning), wanted))


@app.command(short_help="Say what a depth map holds.", context_settings=HELP)
@click.argument("file", type=PATH)
@_about_the_numbers
def info(file: Path, **meaning: Any) -> None:
    """Say what a depth map holds: its size, what its numbers mean, from where to where they go.

    \b
    Examples:
      openmidas info photo_depth.png
      openmidas info 0000000005.png --from kitti
    """
    with one_line_errors():
        from openmidas.cli.info import describe
        from openmidas.cli.meaning import Meaning

        click.echo(describe(file, Meaning(**meaning)))


@app.group(
    short_help="List the published networks, fetch their weights.",
    context_settings=HELP,
    invoke_without_command=True,
)
@click.pass_context
def models(context: click.Context) -> None:
    """List the published networks: size, cost, licence, published errors, and whose weights are here.

    \b
    Examples:
      openmidas models
      openmidas models download dpt_large_384 midas_v21_small_256
    """
    if context.invoked_subcommand is not None:
        return
    with one_line_errors():
        from openmidas.cli.models import describe_models

        click.echo(describe_models())


@app.command(short_help="Export a network to ONNX.", context_settings=HELP)
@click.argument("name", metavar="NAME")
@click.argument("target", metavar="OUT", type=PATH)
@click.option("--fp16", is_flag=True, help="Half precision, but for the head, which would overflow.")
@click.option("--static", metavar="HxW", help="For this height and width only.  [default: any, where it can]")
@click.option(
    "--int8", metavar="PHOTOS", type=PATH, help="8 bits, calibrated on every second picture in that folder."
)
@click.option(
    "--weights",
    metavar="FILE",
    type=PATH,
    help="A run's best.pt, last.pt or NAME.pt, or a checkpoint.  [default: the published one]",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT if it exists.")
def export(name: str, target: Path, **wanted: Any) -> None:
    """Export the network NAME to OUT.onnx, and check it against PyTorch.

    The file says itself how pictures are prepared for it and what its numbers mean, so that openmidas predict --model
    OUT.onnx needs nothing else. An ONNX network of your own works the same way, with the same metadata.

    \b
    Examples:
      openmidas export midas_v21_small_256 small.onnx
      openmidas export dpt_large_384 large.onnx --fp16 --static 384x512
      openmidas export tiny tiny8.onnx --int8 holiday
      openmidas export dpt_swin2_tiny_256 mine.onnx --weights run/best.pt
    """
    with one_line_errors():
        from openmidas.cli.export import Wanted
        from openmidas.cli.export import export as export_network

        click.echo(export_network(name, target, Wanted(**wanted)))


@models.command(short_help="Fetch the weights of networks.", context_settings=HELP)
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("--offline", is_flag=True, help="Never connect, only check what is here.")
def download(names: Sequence[str], offline: bool) -> None:
    """Fetch the weights of the networks NAME, or check those that are here already.

    What was stopped half-way is gone on with. They lie in your cache folder, or below OPENMIDAS_HOME if that
    is set; OPENMIDAS_OFFLINE=1 is --offline for good. A file fetched by other means may be laid there: the
    error of --offline says where.

    \b
    Examples:
      openmidas models download dpt_large_384
      openmidas models download dpt_beit_large_512 --offline
    """
    with one_line_errors():
        from openmidas.cli.models import download_models

        all_done = download_models(names, offline)
    raise SystemExit(0 if all_done else FAILED)


@app.command(short_help="Label photographs by a network, to train another on.", context_settings=HELP)
@click.argument("photos", type=PATH)
@click.argument("labels", type=PATH)
@click.option(
    "--by",
    metavar="WHO",
    multiple=True,
    help="A network (see openmidas models), an exported file.onnx, a run's checkpoint, or a folder of labels from"
    " elsewhere; several are averaged.  [default: tiny]",
)
def label(photos: Path, labels: Path, by: Sequence[str]) -> None:
    """Label every photograph in the folder PHOTOS: LABELS/NAME.png, near bright.

    A network's answers at three sizes, where it takes more than one, and both mirrorings are averaged, and depth
    edges moved to where the picture has its edges. Labels that are there already are kept; photographs of which
    another folder has no label are left out. One bad photograph does not stop the others.

    \b
    Examples:
      openmidas label holiday labels
      openmidas label holiday labels --by dpt_large_384
      openmidas label holiday labels --by elsewhere --by run/best.pt
    """
    with one_line_errors():
        from openmidas.cli.train import label_all

        all_done = label_all(photos, labels, by)
    raise SystemExit(0 if all_done else FAILED)


for command in (
    scene_app.scene,
    scene_app.clip,
    scene_app.stereo,
    scene_app.figure,
    effect_app.effect,
    evaluate_app.evaluate,
    evaluate_app.check,
    data_app.data,
    train_app.train,
    video_app.video,
    serve_app.serve,
):
    app.add_command(command)
