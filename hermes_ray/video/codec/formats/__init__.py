"""What JPEG, PNG and mp4 files say about themselves, checked before libav reads them."""
