"""Networks that impair a link: a seeded model of one direction, and the sockets that apply it."""
