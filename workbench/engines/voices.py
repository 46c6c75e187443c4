"""The voice prompts that NVIDIA publishes with PersonaPlex."""

PERSONAPLEX_VOICES: tuple[str, ...] = (
    *(f"NATF{n}" for n in range(4)),
    *(f"NATM{n}" for n in range(4)),
    *(f"VARF{n}" for n in range(5)),
    *(f"VARM{n}" for n in range(5)),
)
"""NAT = natural, VAR = varied; F and M as the speaker sounds. A server may have more."""
