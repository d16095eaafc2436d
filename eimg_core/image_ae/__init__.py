"""Image autoencoders by key. A new one is a file in this folder and a line in this dict.

The paper's three are there twice: with a trunk under their plain names, and as the paper has them, learning to see from
scratch, under names that end in ``@paper``.
"""

from eimg_core.autoencoder import ImageAutoencoder
from eimg_core.image_ae.alae import ALAE, TrunkALAE
from eimg_core.image_ae.beta_vae import BetaVAE, TrunkBetaVAE
from eimg_core.image_ae.effnet import EffNet
from eimg_core.image_ae.vqvae import VQVAE, TrunkVQVAE

__all__ = ["IMAGE_AUTOENCODERS", "image_key_of", "image_keys"]

IMAGE_AUTOENCODERS: dict[str, type[ImageAutoencoder]] = {
    "alae": TrunkALAE,
    "vqvae": TrunkVQVAE,
    "beta_vae": TrunkBetaVAE,
    "effnet": EffNet,
    "alae@paper": ALAE,
    "vqvae@paper": VQVAE,
    "beta_vae@paper": BetaVAE,
}


def image_keys() -> list[str]:
    """The keys that a pairing can name, without a variant."""
    return [key for key in IMAGE_AUTOENCODERS if "@" not in key]


def image_key_of(image: str, variant: str) -> str:
    """The key of the autoencoder that pairings of a variant look through: its own where there is one."""
    own = f"{image}@{variant}"
    return own if own in IMAGE_AUTOENCODERS else image
