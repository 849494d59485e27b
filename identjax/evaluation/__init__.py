"""Predictors and prompts in, arrays out: completions, rule rates, likelihoods. No I/O."""
