import type { IncomingMessage, ServerResponse } from "node:http"
import { Context, Deferred, Duration, Effect, Option } from "effect"
import { GatewayUnavailable, TaskerFailure } from "../domain/Failure.ts"
import type { Connections } from "./Connections.ts"

/**
 * How a gateway goes out of service without losing a reply that it could give. From when it is told to
 * stop, all within `SHUTDOWN_GRACE_SECONDS`:
 *
 * 1. `leaving`: `/readyz` says 503 `draining`, so that whoever balances the load sends nothing more, while
 *    everything is served as before, on new connections too; replies say `Connection: close`. For a
 *    quarter of the grace, five seconds at most, and not at all where nobody asked for `/readyz` in the
 *    last half minute: then nobody would see it.
 * 2. Nothing listens any more, so a proxy's connection is refused before it has sent anything and it may go
 *    on to another instance. What has connected before is still served, for a quarter of the grace, five
 *    seconds at most: a proxy sends its request right after it has connected.
 * 3. `refusing`: a request that arrives even later is told to come back (503 `gateway.unavailable`), and a
 *    connection on which none has begun is closed. What was begun is finished.
 * 4. What is still not finished is answered that it could not be, and left behind: the lease of a write
 *    runs out, and whoever is next, its caller or another instance, settles it.
 */
export class Drain extends Context.Service<
  Drain,
  {
    readonly stage: () => Stage
    /** Somebody asked whether the gateway is ready. */
    readonly asked: () => void
  }
>()("tasker-codex-api/http/Drain") {}

export type Stage = "serving" | "leaving" | "refusing"

/** How long somebody who asked for readiness is expected to ask again, and the longest that is waited for it. */
const lookout = Duration.seconds(30)
const longestNotice = Duration.seconds(5)

/** The longest that a connection from before is waited for to send its request. */
const longestArrival = Duration.seconds(5)

export const make = (
  connections: Connections,
  grace: Duration.Duration,
  answer: (
    failure: GatewayUnavailable | TaskerFailure,
    request: IncomingMessage,
    response: ServerResponse
  ) => void
): { readonly drain: Drain["Service"]; readonly run: Effect.Effect<void> } => {
  let stage: Stage = "serving"
  let askedAt: number | undefined

  const isWatched = () => askedAt !== undefined && performance.now() - askedAt < Duration.toMillis(lookout)

  const run = Effect.gen(function* () {
    const quarter = Duration.divideUnsafe(grace, 4)
    const notice = isWatched() ? Duration.min(longestNotice, quarter) : Duration.zero
    const arrival = Duration.min(longestArrival, quarter)
    stage = "leaving"
    connections.release()
    yield* Effect.sleep(notice)
    const closed = yield* Deferred.make<void>()
    const done = yield* Deferred.make<void>()
    connections.close({
      closed: () => Deferred.doneUnsafe(closed, Effect.void),
      done: () => Deferred.doneUnsafe(done, Effect.void)
    })
    yield* Deferred.await(closed)
    const endWithin = (time: Duration.Duration) =>
      Effect.timeoutOption(Effect.interruptible(Deferred.await(done)), time)
    const early = yield* endWithin(arrival)
    stage = "refusing"
    if (Option.isSome(early)) return
    connections.closeSilent()
    const ended = yield* endWithin(Duration.subtract(Duration.subtract(grace, notice), arrival))
    if (Option.isSome(ended)) return
    yield* Effect.logWarning("Calls that did not end in time are left behind")
    connections.abandon((request, response) => answer(unfinished(request.method), request, response))
  })

  return {
    drain: {
      stage: () => stage,
      asked: () => {
        askedAt = performance.now()
      }
    },
    run
  }
}

/** The reply to a request that arrives while calls before it are being finished. */
export const stopping = () =>
  new GatewayUnavailable({
    reason: "unavailable",
    message:
      "This instance of the gateway is being stopped and takes no more calls. Nothing was changed; repeat the same call.",
    retryable: true,
    details: { retry_after_seconds: 2 }
  })

/** The reply to a call that outlasted the grace. Whether a write of it was made is then nobody's to say. */
const unfinished = (method: string | undefined): GatewayUnavailable | TaskerFailure =>
  method === "GET" || method === "HEAD"
    ? stopping()
    : new TaskerFailure({
        reason: "outcome_unknown",
        message:
          "The gateway was stopped before this call was done. If it was a write, it may have been made: repeat the same call with the same idempotency key, which settles it.",
        retryable: true,
        details: { retry_after_seconds: 2 }
      })
