"""The whole service in a process of its own, to be signalled; its address on standard output."""

import sys
import tempfile

from openmidas.app.limits import Limits
from openmidas.app.server import address_of, bound_socket, server_for
from openmidas.app.settings import Settings

if __name__ == "__main__":
    tempfile.tempdir = sys.argv[1]
    settings = Settings(port=0, limits=Limits(workers=1, waiting=16, seconds=30.0))
    with bound_socket(settings) as listening:
        print(address_of(listening), flush=True)
        server_for(settings).run(sockets=[listening])
