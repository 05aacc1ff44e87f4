"""What the versions say: labels, logits, feature maps, and how far they lie from what is right."""
