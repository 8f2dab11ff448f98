"""Lists of streams: filters, order and pages. Plain Python over the streams' states."""
