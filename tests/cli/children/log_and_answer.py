"""A COMMAND that logs each text that it is given, one JSON line each, and answers in capitals.

The module json, without which the text of a string can be made as well, takes nearly as long to import as Python takes to
start, and this runs a thousand times.
"""

import sys
from _json import encode_basestring_ascii

text = sys.stdin.read()
with open("calls.log", "a") as log:
    log.write(encode_basestring_ascii(text) + "\n")
print(text.upper())
