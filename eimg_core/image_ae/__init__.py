"""Image autoencoders by key. A new one is a file in this folder and a line in this dict."""

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.image_ae.vqvae import VQVAE

__all__ = ["IMAGE_AUTOENCODERS"]

IMAGE_AUTOENCODERS: dict[str, type[ImageAutoencoder]] = {
    "vqvae": VQVAE,
}
