"""Adapters to speech recognisers and synthesisers, behind the protocols of `engines.speech.base`."""
