import { Effect } from "effect"
import type { WriteFailed } from "../../domain/WriteFailed.ts"
import type { Existing, Made, TaskerError } from "../../services/TaskerAdapter.ts"
import type { Gate } from "../tasker/TaskerGate.ts"
import type { Send } from "../tasker/TaskerSend.ts"
import type { Call } from "../tasker/taskerCalls.ts"
import { ofBroken, ServerError } from "../tasker/taskerFailures.ts"
import { type Credentials, existingId, judge, observed } from "../tasker/taskerJudge.ts"
import { me } from "./planeBoardCalls.ts"

/** Sends calls to Plane and judges the responses. */
export interface Exchange {
  /** Sends a change. */
  readonly change: <A>(call: Call<A>) => Effect.Effect<A, WriteFailed>
  /** Sends a create or a comment. A 409 with an id says that it exists already. */
  readonly make: <A>(call: Call<A>) => Effect.Effect<Made<A> | Existing, WriteFailed>
  readonly ask: <A>(call: Call<A>) => Effect.Effect<A, TaskerError>
  /** Asks about one write. Fails with `ServerError` if Plane answers 5xx, which may be this look-up's trouble alone. */
  readonly lookUp: <A>(call: Call<A>) => Effect.Effect<A, TaskerError | ServerError>
}

export const make = (
  send: Send,
  { isProbeDue }: Pick<Gate, "isProbeDue">,
  credentials: Credentials
): Exchange => {
  /** The spelling of cards in paths: once either was answered, the process keeps to it. */
  let spelling: "unknown" | "work-items" | "issues" = "unknown"

  const spelled = <A>(call: Call<A>): Call<A> =>
    spelling === "issues" ? { ...call, path: call.path.replace("/work-items/", "/issues/") } : call

  const judged = <A, B>(
    call: Call<A>,
    read: (reply: Parameters<typeof judge>[1]) => Effect.Effect<B, WriteFailed>
  ): Effect.Effect<B, WriteFailed> =>
    send(call).pipe(
      Effect.mapError((broken) => ofBroken(call, broken)),
      Effect.flatMap(read),
      observed(call)
    )

  /** An older server has no path with `work-items`, and executes nothing that is sent to one. */
  const exchange = <A, B>(
    call: Call<A>,
    read: (reply: Parameters<typeof judge>[1]) => Effect.Effect<B, WriteFailed>
  ): Effect.Effect<B, WriteFailed> => {
    if (!call.path.includes("/work-items/")) return judged(call, read)
    const sent = judged(spelled(call), read)
    if (spelling !== "unknown") return sent
    const keep = (known: "work-items" | "issues") => Effect.sync(() => (spelling = known))
    return sent.pipe(
      Effect.tap(keep("work-items")),
      Effect.catchIf(
        ({ failure }) => failure.reason === "unsupported",
        () => {
          const older = { ...call, path: call.path.replace("/work-items/", "/issues/") }
          return Effect.tap(judged(older, read), keep("issues"))
        }
      )
    )
  }

  const change = <A>(call: Call<A>) => exchange(call, (reply) => judge(call, reply, credentials))

  const ask = <A>(call: Call<A>): Effect.Effect<A, TaskerError> =>
    Effect.mapError(change(call), ({ failure }) => failure)

  return {
    change,
    ask,
    make: <A>(call: Call<A>) =>
      exchange(call, (reply): Effect.Effect<Made<A> | Existing, WriteFailed> => {
        const id = existingId(call, reply)
        return id === undefined
          ? Effect.map(judge(call, reply, credentials), (value) => ({ _tag: "Made", value }))
          : Effect.succeed({ _tag: "Existing", id })
      }),
    // A look-up is never the probe of an open circuit breaker: a read that no card can spoil goes first.
    lookUp: (call) =>
      Effect.flatMap(isProbeDue, (isDue) => (isDue ? Effect.ignore(ask(me(call.who))) : Effect.void)).pipe(
        Effect.andThen(change({ ...call, lookUp: true })),
        Effect.mapError((failed) => (failed instanceof ServerError ? failed : failed.failure))
      )
  }
}
