"""Where frames come from: files, RTSP cameras, and the simulated camera."""
