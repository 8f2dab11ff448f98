"""Reading questions and tokens as CUDA graphs."""
