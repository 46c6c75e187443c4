"""Published metrics of full-duplex talk, written from their definitions, and the statistics that compare personas and engines.

Every metric takes plain arrays, segments or words and gives a small frozen dataclass; nothing here reads a file but `check`.
"""
