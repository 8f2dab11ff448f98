"""Questions before they have a seat: what may be asked, how many are taken in, and who is next."""
