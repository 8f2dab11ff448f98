"""Standing questions and the journal as plain values: when which is asked, and which answers are events.

Needs no Ray, no Kafka and no engine; :mod:`hermes_ray.cluster.memory_worker` puts the questions and publishes what
comes out.
"""
