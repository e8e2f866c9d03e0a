import { Effect } from "effect"

/** For how long something may take that is bound to happen; far longer than it does on a busy machine. */
const patience = "60 seconds"

/** Waits until something holds, looking often. That it never does is a defect, and told as one. */
export const until = <E, R>(what: string, holds: Effect.Effect<boolean, E, R>): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    while (!(yield* holds)) yield* Effect.sleep("20 millis")
  }).pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.die(new Error(`Not within ${patience}: ${what}`))
    })
  )
