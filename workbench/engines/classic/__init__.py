"""The half-duplex engine: a responder and a synthesiser that answer finished utterances."""
