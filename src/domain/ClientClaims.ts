import { Option, Predicate, Schema } from "effect"
import { stripInvisible } from "../text/PlainText.ts"
import { holdsSecret } from "./Token.ts"

/**
 * What a client says of where a call comes from: its conversation, the turn in it, its model. Claims, which
 * anyone with a token can make up: good for a timeline, never for a decision.
 */
export const ClientClaims = Schema.Struct({
  session_id: Schema.optionalKey(Schema.String),
  thread_id: Schema.optionalKey(Schema.String),
  turn_id: Schema.optionalKey(Schema.String),
  call_id: Schema.optionalKey(Schema.String),
  item_id: Schema.optionalKey(Schema.String),
  model: Schema.optionalKey(Schema.String),
  codex_version: Schema.optionalKey(Schema.String)
}).annotate({
  identifier: "ClientClaims",
  description: "What the client says of itself. Nobody vouches for it."
})
export type ClientClaims = typeof ClientClaims.Type

/** A claim that is kept: one line that can be seen whole. What is otherwise is left out, not mended: an id that was mended would be another's. */
const Claim = Schema.String.check(
  Schema.isBetweenLength(1, 128),
  Schema.makeFilter(
    (text: string) =>
      text.trim() !== "" && !/\p{Cc}/u.test(text) && stripInvisible(text) === text && !holdsSecret(text)
  )
)
const claimIn = Schema.decodeUnknownOption(Claim)

type Names = Readonly<Record<string, unknown>>

const named = (value: unknown): Names => (Predicate.isObject(value) ? (value as Names) : {})

/** Where Codex says of a call which turn it belongs to, within `_meta`. */
const turnKey = "x-codex-turn-metadata"

/**
 * The claims in the `_meta` of a `tools/call`, as Codex spells them: `callId`, `itemId`, `threadId`, and
 * under `x-codex-turn-metadata` the session, thread, turn, model and version. Undefined where there are
 * none; never a failure, since no call may be refused for what nothing depends on.
 */
export const claimsIn = (meta: unknown): ClientClaims | undefined => {
  if (!Predicate.isObject(meta)) return undefined
  const of = named(meta)
  const turn = named(of[turnKey])
  const told: Record<keyof ClientClaims, ReadonlyArray<unknown>> = {
    session_id: [turn.session_id],
    thread_id: [turn.thread_id, of.threadId],
    turn_id: [turn.turn_id],
    call_id: [of.callId],
    item_id: [of.itemId],
    model: [turn.model],
    codex_version: [turn.codex_version]
  }
  const kept = Object.entries(told).flatMap(([name, values]) => {
    const claim = Option.firstSomeOf(
      values.filter((value) => value !== undefined).map((value) => claimIn(value))
    )
    return Option.isSome(claim) ? [[name, claim.value] as const] : []
  })
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}
