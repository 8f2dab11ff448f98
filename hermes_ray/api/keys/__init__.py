"""Who calls, what they may do, and how much of it.

``perimeter`` and ``gate`` stand before every route; ``scoped_backend`` stands between the routes and the streams, so a
route needs to know nothing of keys. ``installation`` puts them in place.
"""
