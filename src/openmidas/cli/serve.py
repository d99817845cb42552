"""`openmidas serve`: the HTTP service and its page."""

from __future__ import annotations

from dataclasses import replace

import click

from openmidas.app.limits import Limits
from openmidas.app.server import address_of, bound_socket, server_for
from openmidas.app.settings import Settings
from openmidas.cli.models import download_models
from openmidas.models.presets import preset_named

_LEAST_TOKEN = 8


def serve(settings: Settings, i_know: bool) -> None:
    """Serve until Ctrl-C or SIGTERM; raises click.UsageError, and click.ClickException for a port that is taken."""
    _check_token(settings)
    _check_open(settings, i_know)
    _fetch_weights(settings)
    try:
        listening = bound_socket(settings)
    except OSError as error:
        reason = error.strerror or str(error)
        where = f"{settings.host}:{settings.port}"
        raise click.ClickException(f"{where}: {reason}: choose another --port or --host") from error
    with listening:
        click.echo(f"OpenMiDaS is at {address_of(listening)}{_who(settings)} (Ctrl-C ends it)")
        server_for(settings).run(sockets=[listening])


def settings_from(host: str, port: int, token: str | None, models: tuple[str, ...], workers: int) -> Settings:
    """The settings of the options; click.UsageError for a network that there is not."""
    for name in models:
        try:
            preset_named(name)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    return Settings(host, port, token, models, replace(Limits(), workers=workers))


def _check_token(settings: Settings) -> None:
    token = settings.token
    if token is not None and not (len(token) >= _LEAST_TOKEN and token.isascii() and token.isprintable()):
        raise click.UsageError(f"a token is {_LEAST_TOKEN} or more plain letters and digits")
    if token is not None and " " in token:
        raise click.UsageError("a token has no spaces")


def _check_open(settings: Settings, i_know: bool) -> None:
    if settings.is_local or settings.token is not None or i_know:
        return
    raise click.UsageError(
        f"--host {settings.host} lets everybody who reaches this machine send it pictures and films, and keep it busy: "
        "set a --token (or OPENMIDAS_TOKEN) that they must know, or add --i-know if that is what you want"
    )


def _fetch_weights(settings: Settings) -> None:
    """Before the first request, not during it."""
    published = [name for name in settings.models if preset_named(name).path is None]
    if published and not download_models(published, offline=False):
        raise click.ClickException("the weights of a network are missing: see above")


def _who(settings: Settings) -> str:
    if settings.is_local:
        return ", for this machine only" if settings.token is None else ", for who has the token"
    return ", for everybody who reaches this machine" if settings.token is None else ", for who has the token"
