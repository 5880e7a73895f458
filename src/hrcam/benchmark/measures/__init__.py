"""What is measured of a fold's network and its maps, one module a measurement."""
