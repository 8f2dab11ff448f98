"""Run by hand: they make the documentation's pictures, and measure."""
