"""Which version of the service this is."""

# Also in pyproject.toml; the service runs from a source tree or a Bento, where it is not installed.
VERSION = "0.1.0"
