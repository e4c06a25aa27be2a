"""Parts of a world, built from a network and a station's settings; ``rtcore.assemble`` puts them together."""
