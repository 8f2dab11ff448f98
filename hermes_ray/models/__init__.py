"""One adapter per model family, over the transformers library's own classes."""
