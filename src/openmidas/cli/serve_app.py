"""The command that serves: options and help of `serve`."""

from __future__ import annotations

import click

from openmidas.cli.options import HELP, one_line_errors


@click.command(short_help="Serve the web page and the HTTP API.", context_settings=HELP)
@click.option(
    "--host",
    metavar="ADDRESS",
    default="127.0.0.1",
    show_default=True,
    help="Where it listens; 0.0.0.0: everywhere.",
)
@click.option(
    "--port",
    metavar="N",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    help="0: any that is free.",
)
@click.option(
    "--token",
    metavar="TEXT",
    envvar="OPENMIDAS_TOKEN",
    help="Whoever asks must send it.  [default: OPENMIDAS_TOKEN]",
)
@click.option(
    "--model",
    "models",
    metavar="NAME",
    multiple=True,
    default=("tiny",),
    help="A network to serve; may be given several times.  [default: tiny]",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 64),
    help="Processes that compute.  [default: one a core]",
)
@click.option("--i-know", is_flag=True, help="Serve everybody who reaches this machine, without a token.")
def serve(
    host: str, port: int, token: str | None, models: tuple[str, ...], workers: int | None, i_know: bool
) -> None:
    """Serve the web page and the HTTP API until Ctrl-C.

    \b
    Examples:
      openmidas serve
      openmidas serve --port 0 --model tiny --model dpt_large_384
    """
    with one_line_errors():
        from openmidas.cli.serve import serve as serve_until_stopped
        from openmidas.cli.serve import settings_from
        from openmidas.files.cores import usable_cores

        settings = settings_from(host, port, token, models, workers or usable_cores())
        serve_until_stopped(settings, i_know)
