"""Showing a recording or a camera to an engine of this process, without Ray and without Kafka.

from hermes_ray.engine import StreamEngine
from hermes_ray.watching import export_memory, watch

with StreamEngine.from_pretrained("hermes-tiny") as engine, watch(engine, "film.mp4", speed=4) as film:
print(engine.ask(film.stream_id, "what is in view now ?").result().text)    # at any moment
film.wait()                                                                 # until it has ended
saved = export_memory(engine, film.stream_id)
"""

from hermes_ray.watching.memory_files import export_memory, import_memory
from hermes_ray.watching.watching import Watching, watch

__all__ = ["Watching", "export_memory", "import_memory", "watch"]
