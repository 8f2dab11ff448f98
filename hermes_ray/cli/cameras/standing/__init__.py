"""Standing questions of the file's cameras: the system is made to ask what the file says.

They are kept by name in the system, apart from those that people make, and follow the file from then on.
"""
