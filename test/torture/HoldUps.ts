import type { TaskerKind } from "./counterparts/Counterpart.ts"

/**
 * For how long the harness holds things up, and what follows from it for `TASKER_SETTLE_AFTER_MS`. Everything in
 * milliseconds.
 */

/** Between a broker that is gone and the 500 after the write. */
export const brokerDelay = 700
/** Bounds of what a connection is held up for, once an exchange. */
export const linkDelay = { least: 100, most: 900 }
/** Longest freeze of an instance. */
export const longestFreeze = 6000

interface Timing {
  /** Of the gateways: short, so that what is given up by a timeout is many writes and not few. */
  readonly taskerTimeout: number
  readonly callDeadline: number
  /** Faults of Tasker wait this long before or after they carry a write out: longer than the gateway waits. */
  readonly taskerDelay: number
  /** What Tasker takes for a write on a busy machine, waiting for its database included. */
  readonly execution: number
}

const references: Timing = { taskerTimeout: 1000, callDeadline: 3000, taskerDelay: 1500, execution: 1600 }
/** With the agents of a run a Plane of two workers takes a second for a write, and three at times. */
const real: Timing = { taskerTimeout: 4000, callDeadline: 9000, taskerDelay: 5000, execution: 5000 }

const timings: Readonly<Record<TaskerKind, Timing>> = {
  nodedc: references,
  plane: references,
  "real-plane": real
}

export interface HoldUps extends Timing {
  /** Longest time from a request's leaving a gateway to its end in Tasker. */
  readonly mayLinger: number
  /** `TASKER_SETTLE_AFTER_MS`. */
  readonly settleAfter: number
  /** How much later than a disabling of its agent a write may be carried out: a call that had begun may straggle. */
  readonly inFlight: number
  /** A client gives a reply up after this; a gateway responds well before, unless something holds it up. */
  readonly patience: number
}

/** A straggler is carried out so long after `TASKER_SETTLE_AFTER_MS`: beside a resend, and before the second look. */
export const straggling = { least: 1200, most: 4000 }

/**
 * Milliseconds that a lease lasts in sabotaged runs: calls outlast it, so that keys change hands all the time. It is
 * longer than `TASKER_TIMEOUT_MS`, because a holder sends only as long before its lease ends.
 */
export const shortLeaseOf = ({ taskerTimeout }: Pick<HoldUps, "taskerTimeout">): number =>
  taskerTimeout + 1000

export const holdUpsOf = (tasker: TaskerKind): HoldUps => {
  const timing = timings[tasker]
  const { callDeadline, execution, taskerDelay } = timing
  const mayLinger = linkDelay.most + taskerDelay + execution
  const settleAfter = Math.max(mayLinger, longestFreeze)
  return {
    ...timing,
    mayLinger,
    settleAfter,
    inFlight: callDeadline + settleAfter + straggling.most + execution + 1000,
    patience: callDeadline + 1500
  }
}
