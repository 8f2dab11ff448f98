"""What the packets of H.264, HEVC and VP9 hold, read from their own bytes without decoding a pixel."""
