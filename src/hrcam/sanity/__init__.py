"""Does a map mean anything: randomised networks, stability, likeness, repeatability."""
