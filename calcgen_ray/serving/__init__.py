"""The endpoint: OpenAI's completions over Ray Serve, and a client for it."""
