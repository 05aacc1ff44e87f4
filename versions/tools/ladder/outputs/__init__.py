"""What the versions compute: labels, logits, feature maps, and how far they are from the truth."""
