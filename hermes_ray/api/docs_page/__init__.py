"""The page ``/docs``: the OpenAPI document for people. It loads nothing from other hosts, so it works offline."""
