"""What laws of languages are made of."""
