"""The PersonaPlex model server: many full-duplex talks from one model. The only room that imports torch."""
