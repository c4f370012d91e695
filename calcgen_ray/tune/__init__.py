"""Search over hyperparameters: Ray Tune over Ray Train, ranked by validation perplexity."""
