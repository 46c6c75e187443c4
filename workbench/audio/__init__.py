"""Sound: frame constants, conversion, resampling, codecs, detectors. Numpy and codecs only."""
