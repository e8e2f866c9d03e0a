import { Clock, Effect, Result } from "effect"
import type { WriteFailed } from "../../domain/WriteFailed.ts"
import { documentOf } from "./errorTable.ts"
import type { Reply } from "./TaskerHttp.ts"
import { readJson, readValue, spokenIn } from "./taskerAnswers.ts"
import { type Call, type Outgoing, upstreamKeyOf } from "./taskerCalls.ts"
import { breach, ofAnswered } from "./taskerFailures.ts"

/** Judges responses: the value that was asked for, or what is known of a request that was answered otherwise. */

/** What a Tasker is asked with. */
export interface Credentials {
  /** Never shown, even if Tasker repeats them. */
  readonly secrets: ReadonlyArray<string>
  /** Name of the setting that holds them. */
  readonly setting: string
  /** Name of the setting that holds Tasker's address. */
  readonly address: string
}

/** The error document in a response; undefined if it is none of Tasker's. */
const documentIn = (call: Outgoing, reply: Reply) =>
  documentOf(reply.status, Result.getOrUndefined(readJson(reply)), {
    fields: Object.keys(call.body ?? {}),
    makes: call.makes === true
  })

/** The id of what stands under the key of a create or comment already, as Tasker's 409 names it. */
export const existingId = (call: Outgoing, reply: Reply): string | undefined => {
  const document = documentIn(call, reply)
  return document?.means === "exists" ? document.id : undefined
}

/** The value of a response, or what is known of a request that was answered otherwise. */
export const judge = <A>(
  call: Call<A>,
  reply: Reply,
  credentials: Credentials
): Effect.Effect<A, WriteFailed> => {
  if (reply.status < 200 || reply.status > 299) return refusedBy(call, reply, credentials)
  return Effect.flatMap(readValue(reply, call), (answer) => {
    if (Result.isFailure(answer)) return Effect.fail(breach(call, answer.failure, reply.sentAt))
    const stray = call.strays(answer.success)
    return stray === undefined
      ? Effect.succeed(answer.success)
      : Effect.fail(breach(call, stray, reply.sentAt))
  })
}

const refusedBy = (
  call: Outgoing,
  reply: Reply,
  credentials: Credentials
): Effect.Effect<never, WriteFailed> =>
  Effect.flatMap(Clock.currentTimeMillis, (nowMillis) => {
    const secrets = [...credentials.secrets, upstreamKeyOf(call)].filter((secret) => secret !== undefined)
    const means = documentIn(call, reply)?.means
    return Effect.fail(
      ofAnswered(call, {
        reply,
        means: means === "exists" ? undefined : means,
        spoken: spokenIn(Result.getOrUndefined(readJson(reply)), secrets),
        credential: credentials.setting,
        address: credentials.address,
        nowMillis
      })
    )
  })

/** A span a call. An answer that breaks the contract is a defect of Tasker's, which its operator is told. */
export const observed =
  (call: Outgoing) =>
  <A>(effect: Effect.Effect<A, WriteFailed>): Effect.Effect<A, WriteFailed> =>
    Effect.tapError(effect, ({ failure }) =>
      failure.reason === "contract"
        ? Effect.logError(failure.message).pipe(
            Effect.annotateLogs({ request_id: call.who.requestId, agent_id: call.who.agent.id })
          )
        : Effect.void
    ).pipe(Effect.withSpan(`TaskerAdapter.${call.name}`, { kind: "client" }, { captureStackTrace: false }))
