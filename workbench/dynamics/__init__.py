"""Pure functions over two tracks of speech: IPUs, pauses, gaps, overlaps, turns, floor transfers, barge-ins, backchannels and what
follows them. Every caller (live talk, recorder, evaluation, notebooks) uses these and no definition of its own. Numpy only; no I/O,
no clock."""
