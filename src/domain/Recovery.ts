import { Duration } from "effect"

/**
 * When recovery looks at a write whose outcome nobody knows. After each look that found nothing out the
 * pause doubles, from 5 seconds to 10 minutes at most; looks while Tasker can't be asked are not counted.
 * After twelve that are, some 50 minutes of a Tasker that answers, the write is `unresolved`.
 */

export const mostLooks = 12

const shortest = Duration.seconds(5)
const longest = Duration.minutes(10)
/** How long the next look waits where Tasker could not be asked. */
const whileOut = Duration.seconds(10)

/** The pause before the next look, after `looks` counted ones; `chance` (0–1) spreads what fell due together. */
export const pauseAfter = (looks: number, chance: number): Duration.Duration =>
  spread(Duration.min(Duration.times(shortest, 2 ** Math.min(looks, 20)), longest), chance)

export const pauseWhileOut = (chance: number): Duration.Duration => spread(whileOut, chance)

/**
 * When the first look may be. What was given up by a timeout may still be under way in Tasker: by then
 * it is over, so that a look finds it also in a Tasker that would not recognise a repeat beside it.
 */
export const firstLook = (taskerTimeout: Duration.Duration): Duration.Duration =>
  Duration.sum(shortest, taskerTimeout)

/** From half the pause to all of it. */
const spread = (pause: Duration.Duration, chance: number): Duration.Duration =>
  Duration.times(pause, 0.5 + chance / 2)
