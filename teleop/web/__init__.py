"""Pages for who watches: who is let in, and how a browser comes to a camera's picture.

refusal      every reason why something is not done, by its name
admission    one-time links, and the visits that they open
token        what is signed, for whom, for how long
offer        what is looked at before anything parses an offer
negotiation  how many may be under way
connections  how many may be open, and for how long without a word
questions    what a page may ask, in which shape
files        what a browser is given, and what is said beside every answer
site         aiohttp: routes, headers, cookies; the only file that knows HTTP
tls          the certificate's files
metrics      boards as Prometheus reads them
pages/       what the browser runs: plain modules, no build, nothing from elsewhere
"""
