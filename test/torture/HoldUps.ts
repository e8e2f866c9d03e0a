/**
 * For how long the harness holds things up, and what follows from it for `TASKER_SETTLE_AFTER_MS`. Everything in
 * milliseconds.
 */

/** Timing of the gateways: short, so that what is given up by a timeout is many writes and not few. */
export const taskerTimeout = 1000
export const callDeadline = 3000

/** Faults of Tasker wait this long before or after they carry a write out: longer than the gateway waits. */
export const taskerDelay = 1500
/** Between a broker that is gone and the 500 after the write. */
export const brokerDelay = 700
/** Bounds of what a connection is held up for, once an exchange. */
export const linkDelay = { least: 100, most: 900 }
/** Longest freeze of an instance. */
export const longestFreeze = 6000
/** What Tasker takes for a write on a busy machine, waiting for its database included. */
const execution = 1600

/** Longest time from a request's leaving a gateway to its end in Tasker. */
export const mayLinger = linkDelay.most + taskerDelay + execution

/** `TASKER_SETTLE_AFTER_MS`. */
export const settleAfter = Math.max(mayLinger, longestFreeze)

/**
 * Length of a lease in sabotaged runs: calls outlast it, so that keys change hands all the time. It is longer than
 * `TASKER_TIMEOUT_MS`, because a holder sends only as long before its lease ends.
 */
export const shortLease = taskerTimeout + 1000

/** A straggler is carried out so long after `TASKER_SETTLE_AFTER_MS`: beside a resend, and before the second look. */
export const straggling = { least: 1200, most: 4000 }

/** How much later than a disabling of its agent a write may be carried out: a call that had begun may straggle. */
export const inFlightAfter = callDeadline + settleAfter + straggling.most + execution + 1000
