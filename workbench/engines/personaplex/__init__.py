"""The PersonaPlex engine: a client of our gateway and of NVIDIA's server."""
