"""Music autoencoders by key. A new one is a file in this folder and a line in this dict."""

from eimg_core.autoencoder import MusicAutoencoder
from eimg_core.music_ae.fnt import FaderNet
from eimg_core.music_ae.lsr import LSRVAE
from eimg_core.music_ae.tvae import TransformerVAE

__all__ = ["MUSIC_AUTOENCODERS"]

MUSIC_AUTOENCODERS: dict[str, type[MusicAutoencoder]] = {
    "fnt": FaderNet,
    "lsr": LSRVAE,
    "tvae": TransformerVAE,
}
