"""One live talk: the clock, the listeners, the engine, and the events between them."""
