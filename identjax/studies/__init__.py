"""One room for each question: what is computed, and how it is shown."""
