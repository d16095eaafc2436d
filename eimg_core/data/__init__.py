"""The data sets: what they hold, how they are read, and their music as pieces."""

from eimg_core.data.corpus import SPLITS, Corpus, Item, Split
from eimg_core.data.pieces import load_pieces
from eimg_core.data.readers import READERS, read_eimg, read_emopia, read_oasis, read_pop909
from eimg_core.data.restricted import read_iaps, read_naps
from eimg_core.data.scores import load_scores, read_lieder, read_mutopia

__all__ = [
    "READERS",
    "SPLITS",
    "Corpus",
    "Item",
    "Split",
    "load_pieces",
    "load_scores",
    "read_eimg",
    "read_emopia",
    "read_iaps",
    "read_lieder",
    "read_mutopia",
    "read_naps",
    "read_oasis",
    "read_pop909",
]
