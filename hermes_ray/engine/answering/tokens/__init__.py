"""Between words and tokens: conversations, prompts, sampling, options, texts that end an answer. Knows no memory."""
