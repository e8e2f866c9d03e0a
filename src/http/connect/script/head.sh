#!/bin/sh
# Connects this machine's Codex, or another agent, to Tasker by a pairing code.
#
#   curl -fsS <gateway>/connect | sh -s -- XXXX-XXXX-XXXX     connect
#   curl -fsS <gateway>/connect | sh -s -- --help             all that it can do
#
# It needs curl and what every POSIX system has. Up to its last line it only says what it would do, so
# that a download which is cut short does nothing.

set -eu
# A trace would show the token.
set +x

# Where this script came from; the gateway writes it in as it serves.
gateway='@GATEWAY@'

# How it ends.
exit_failed=1  # something on this machine went wrong
exit_usage=2   # the arguments are wrong, or there is nobody to ask for a code
exit_refused=3 # the gateway refused the code or the token
exit_yours=4   # a file is somebody else's work: nothing was done
exit_away=5    # the gateway can't be reached, or failed

nl='
'
# A file being written, which is not to be left behind.
scratch=
# Whether the code may have been used without this machine having been told.
asked=
# The name of a token that was issued, until it is kept.
loose=
