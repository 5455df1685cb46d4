import logging

# matplotlib tells at length that it may not write its cache, as where there is no home; it works all the same.
logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
