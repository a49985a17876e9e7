"""A Ctrl-C is tested in the background too, where a shell has it ignored and all that is started inherits that."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
