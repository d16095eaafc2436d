"""The version, in the one place where it stands; the package, its files and its results say it."""

__all__ = ["__version__"]

__version__ = "0.2.0"
