"""Other published ways to remember a stream, which do part of their work at the question; rebuilt to compare with."""
