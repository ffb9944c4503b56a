"""One file a link: how an end reaches a relay. Found by module path, see `transport.io.link`."""
