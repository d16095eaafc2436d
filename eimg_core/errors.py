"""The faults of the world, each with one sentence: what was expected, what was found, what to do.

Programming mistakes raise ``ValueError`` instead, and are never shown to a visitor.
"""

__all__ = ["CheckpointError", "DataError", "EimgError", "InputError", "RenderError"]


class EimgError(Exception):
    """Base of every error whose text is written for people."""


class InputError(EimgError):
    """A photo, a number or an option that we were given cannot be used."""


class DataError(EimgError):
    """A data set is incomplete or damaged."""


class CheckpointError(EimgError):
    """Trained weights are missing, damaged or do not belong together."""


class RenderError(EimgError):
    """A piece cannot be turned into sound."""
