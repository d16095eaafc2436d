"""Image autoencoders by key. A new one is a file in this folder and a line in this dict."""

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.image_ae.alae import ALAE
from eimg_core.image_ae.beta_vae import BetaVAE
from eimg_core.image_ae.effnet import EffNet
from eimg_core.image_ae.vqvae import VQVAE

__all__ = ["IMAGE_AUTOENCODERS"]

IMAGE_AUTOENCODERS: dict[str, type[ImageAutoencoder]] = {
    "alae": ALAE,
    "vqvae": VQVAE,
    "beta_vae": BetaVAE,
    "effnet": EffNet,
}
