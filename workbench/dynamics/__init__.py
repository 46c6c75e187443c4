"""Pure functions over two tracks of speech: IPUs, turns, gaps, barge-ins. Numpy only; no I/O, no clock."""
