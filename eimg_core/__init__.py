"""EIMG Studio: a photo becomes a piece of piano music with the same emotion."""

__version__ = "0.1.0"
