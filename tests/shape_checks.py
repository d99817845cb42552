"""The type checker that conftest.py names, by a string, for the functions of the package."""

from beartype import BeartypeConf, beartype

# PEP 484: an int will do where a float is asked for
checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
