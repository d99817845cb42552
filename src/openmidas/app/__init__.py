"""The HTTP service and its web page: `openmidas serve`, in Python `openmidas.app.api.create_app`."""
