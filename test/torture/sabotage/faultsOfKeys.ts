import { Effect, Layer, Option } from "effect"
import { auditEntry } from "../../../src/domain/AuditEvent.ts"
import { type Tries, upstreamKey } from "../../../src/domain/Operation.ts"
import { hash, type Token } from "../../../src/domain/Token.ts"
import { isChange, type Write } from "../../../src/domain/Write.ts"
import { AuditLog } from "../../../src/services/AuditLog.ts"
import { Idempotency } from "../../../src/services/Idempotency.ts"
import { RecoveryQueue } from "../../../src/services/RecoveryQueue.ts"
import { TaskerAdapter } from "../../../src/services/TaskerAdapter.ts"
import { type Caller, TokenStore } from "../../../src/services/TokenStore.ts"
import { find } from "../../../src/tools/registry.ts"

/** Faults in who holds a token, what a key stands for and who settles it. */

type Keys = Idempotency["Service"]
type Tokens = TokenStore["Service"]

const spoiledKeys = (spoil: (real: Keys) => Partial<Keys>) =>
  Layer.effect(
    Idempotency,
    Effect.map(Idempotency, (real) => Idempotency.of({ ...real, ...spoil(real) }))
  )

const spoiledTokens = (spoil: (real: Tokens) => Tokens) =>
  Layer.effect(
    TokenStore,
    Effect.map(TokenStore, (real) => TokenStore.of(spoil(real)))
  )

/** Sends a write to Tasker before its key is reserved, and again when it is. */
export const reserveAfterWrite = Layer.effect(
  Idempotency,
  Effect.gen(function* () {
    const real = yield* Idempotency
    const tokens = yield* TokenStore
    const tasker = yield* TaskerAdapter
    return Idempotency.of({
      ...real,
      reserve: (intent) =>
        Effect.gen(function* () {
          const tool = find(intent.tool)
          const { agent, grants } = (yield* tokens.authenticate(intent.token)).principal
          const grant = grants.find(({ project_id }) => project_id === intent.projectId)
          if (tool?._tag !== "Write") return
          const ticket = {
            agent,
            requestId: intent.requestId,
            workspaceSlug: grant?.workspace_slug ?? "",
            purpose: "write" as const,
            upstreamKey: upstreamKey(agent.id, intent.key)
          }
          yield* tool.apply(intent.write, ticket, tasker)
        }).pipe(Effect.ignore, Effect.andThen(real.reserve(intent)))
    })
  })
)

/** Compares no arguments: whatever a key stands for is what is asked for now. */
export const noFingerprint = Layer.mergeAll(
  // The reservation knows the arguments, so every call has to come to it.
  spoiledTokens((real) => {
    const without = (caller: Caller): Caller => ({ ...caller, operation: undefined })
    return {
      authenticate: (...asked) => Effect.map(real.authenticate(...asked), without),
      admit: (...asked) => Effect.map(real.admit(...asked), without)
    }
  }),
  spoiledKeys((real) => ({
    reserve: (intent) =>
      Effect.map(real.reserve(intent), (reservation) =>
        reservation._tag === "Taken" && reservation.operation !== "used"
          ? { ...reservation, operation: { ...reservation.operation, fingerprint: intent.fingerprint } }
          : reservation
      )
  }))
)

const remembered = 5000

/** Remembers for five seconds who holds a token and what it may, if no key is asked about. */
export const cachedRevocation = spoiledTokens((real) => {
  const callers = new Map<string, { readonly caller: Caller; readonly at: number }>()
  const cached = <E>(token: Token, key: string | undefined, asking: Effect.Effect<Caller, E>) =>
    Effect.suspend(() => {
      const name = Buffer.from(hash(token)).toString("hex")
      const known = callers.get(name)
      if (key === undefined && known !== undefined && performance.now() - known.at < remembered) {
        return Effect.succeed(known.caller)
      }
      return Effect.tap(asking, (caller) =>
        Effect.sync(() => key === undefined && callers.set(name, { caller, at: performance.now() }))
      )
    })
  return {
    authenticate: (token, key) => cached(token, key, real.authenticate(token, key)),
    admit: (token, counts, key) => cached(token, key, real.admit(token, counts, key))
  }
})

const ofToken = (key: string, token: Token): string =>
  `${key.slice(0, 100)}.${Buffer.from(hash(token)).toString("hex").slice(0, 12)}`

/** Takes a key with another token of the same agent for another key. */
export const keyPerToken = Layer.mergeAll(
  spoiledTokens((real) => ({
    authenticate: (token, key) =>
      real.authenticate(token, key === undefined ? undefined : ofToken(key, token)),
    admit: (token, counts, key) =>
      real.admit(token, counts, key === undefined ? undefined : ofToken(key, token))
  })),
  spoiledKeys((real) => ({
    reserve: (intent) => real.reserve({ ...intent, key: ofToken(intent.key, intent.token) })
  }))
)

/** Changes what is handed to whoever settles a write, a call or recovery. */
const spoiledSettling = (
  spoil: <A extends { readonly write: Write; readonly tries: Tries }>(leased: A) => A,
  besides: (real: Keys) => Partial<Keys> = () => ({})
) =>
  Layer.mergeAll(
    spoiledKeys((real) => ({
      claim: (operation) => Effect.map(real.claim(operation), Option.map(spoil)),
      ...besides(real)
    })),
    Layer.effect(
      RecoveryQueue,
      Effect.map(RecoveryQueue, (real) =>
        RecoveryQueue.of({
          ...real,
          take: (most) => Effect.map(real.take(most), (taken) => taken.map(spoil))
        })
      )
    )
  )

/** Sends a create or comment again as soon as a look does not show it. */
export const resendWithoutWaiting = spoiledSettling((leased) => ({
  ...leased,
  tries: { ...leased.tries, restless: 0 }
}))

const unplanned = (write: Write): Write => {
  if (!isChange(write)) return write
  const { planned: _, ...rest } = write
  return rest
}

/** Takes a card for changed if its `updated_at` moved. */
export const updatedAtTakenForVersion = spoiledSettling(
  (leased) => ({ ...leased, write: unplanned(leased.write) }),
  () => ({ versionAnswered: () => Effect.succeedNone })
)

/** Takes every write that recovery is to settle for not done. */
export const recoveryGuessesNotDone = Layer.effect(
  RecoveryQueue,
  Effect.gen(function* () {
    const real = yield* RecoveryQueue
    const once = yield* Idempotency
    const audit = yield* AuditLog
    return RecoveryQueue.of({
      ...real,
      take: Effect.fnUntraced(function* (most) {
        for (const { agent, lease, operation, requestId, tokenId } of yield* real.take(most)) {
          const event = yield* audit.stamp(
            auditEntry({
              action: operation.tool,
              outcome: "failed",
              agent,
              token: { id: tokenId },
              project_id: operation.project_id,
              idempotency_key: operation.key,
              request_id: requestId,
              via: "recovery"
            })
          )
          yield* once.refute(lease, "It is guessed.", event)
        }
        return []
      })
    })
  })
)
