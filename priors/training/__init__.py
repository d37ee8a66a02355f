"""Two-stage training of a latent prior on a folder of photos."""
