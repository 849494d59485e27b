"""Fine-tuning from one function."""
