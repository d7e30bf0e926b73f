"""uncollapse: train GANs that keep all their modes."""
