"""OpenAI's chat API in this project's terms: requests, the parameters that have no effect here, and responses."""
