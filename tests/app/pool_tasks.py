"""Tasks for the processes of a pool: they must stand in a module, and their processes must find it."""

from __future__ import annotations

import os
import signal
import time


def wait(seconds):
    time.sleep(seconds)
    return seconds


def pid_after(seconds):
    time.sleep(seconds)
    return os.getpid()


def pid_when_met(folder, own, other):
    """Ends only when another process does the same with the names exchanged."""
    (folder / own).touch()
    while not (folder / other).exists():
        time.sleep(0.01)
    return os.getpid()


def fail(error):
    raise error


def end_process():
    os.kill(os.getpid(), signal.SIGKILL)


def working_folder():
    return os.getcwd(), os.environ["OMP_NUM_THREADS"]


def raise_what_cannot_be_sent():
    class Local(Exception):
        pass

    raise Local("only known here")
