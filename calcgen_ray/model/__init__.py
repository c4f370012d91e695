"""The model: loading by name, the packed forward pass, perplexity, the checkpoint folder."""
