"""The versions' outputs: labels, logits and feature maps, and how far they are from the truth."""
