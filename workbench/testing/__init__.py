"""Public fakes for every seam: clock, engine, recogniser, synthesiser, tools."""
