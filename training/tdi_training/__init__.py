"""Training of conditional TEncDM models: data, latents, decoder, denoiser, evaluation and export to a bundle."""
