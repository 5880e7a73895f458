"""The measurements of maps and networks, one module each."""
