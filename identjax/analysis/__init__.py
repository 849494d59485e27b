"""Where behaviour parts: divergences, set measures, statistics, and what explains them."""
