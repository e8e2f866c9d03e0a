import { Deferred, Effect } from "effect"

/**
 * Holds creates and comments up until their resend comes, so that both reach Plane in the same moment: it looks
 * for an external id and then inserts, without a lock.
 */
export const makeHolds = () => {
  const held = new Map<string, Deferred.Deferred<void>>()
  return {
    /** Lets an earlier request with this external id go. Returns false if none is held. */
    release: (externalId: string): Effect.Effect<boolean> =>
      Effect.suspend(() => {
        const waiting = held.get(externalId)
        if (waiting === undefined) return Effect.succeed(false)
        held.delete(externalId)
        return Effect.as(Deferred.succeed(waiting, undefined), true)
      }),
    /** Waits until it is let go, at most so many milliseconds. */
    hold: (externalId: string, most: number): Effect.Effect<void> =>
      Effect.gen(function* () {
        const release = yield* Deferred.make<void>()
        held.set(externalId, release)
        yield* Effect.raceFirst(Deferred.await(release), Effect.sleep(most))
        if (held.get(externalId) === release) held.delete(externalId)
      })
  }
}
