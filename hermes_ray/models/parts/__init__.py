"""What adapters are made of: decoder, rotary positions, pictures to pixels, the text around a video."""
