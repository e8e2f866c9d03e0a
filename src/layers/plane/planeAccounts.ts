import { Effect, Redacted, Schedule, type Scope } from "effect"
import { variables } from "../../Config.ts"
import type { Transport } from "../tasker/TaskerHttp.ts"
import { decoder, readJson } from "../tasker/taskerAnswers.ts"
import type { Unconfigured } from "../tasker/taskerFailures.ts"
import { PlaneUser } from "./planeShapes.ts"

/**
 * Compares the accounts of several API keys. A write that is sent again may be sent under another key, so all
 * keys must have the same rights and the same author. Until Plane has answered for each, only the first is used.
 * These few requests are not counted here; Plane's own number corrects the budget.
 */
export interface Accounts {
  readonly isUsable: (key: number) => boolean
  /** Set if the keys belong to several accounts: then no call is made. */
  readonly fault: Effect.Effect<Unconfigured | undefined>
}

type Account = { readonly _tag: "Known"; readonly id: string } | { readonly _tag: "Refused" }

const pause = "5 seconds"
const timeoutMillis = 10_000

export const make = Effect.fnUntraced(function* (
  keys: ReadonlyArray<Redacted.Redacted<string>>,
  transport: Transport,
  path: string
): Effect.fn.Return<Accounts, never, Scope.Scope> {
  const accounts = new Map<number, Account>()
  let fault: Unconfigured | undefined

  const read = Effect.fnUntraced(function* (key: number) {
    const headers = {
      accept: "application/json",
      "x-api-key": Redacted.value(keys[key] ?? Redacted.make(""))
    }
    const reply = yield* transport.exchange({ method: "GET", path, headers, body: undefined }, timeoutMillis)
    if (reply.status === 401 || reply.status === 403) {
      yield* Effect.logError(
        `Plane does not accept key ${key + 1} of ${variables.planeKeys.name}: it is not used.`
      )
      return { _tag: "Refused" } satisfies Account
    }
    const json = yield* Effect.fromResult(readJson(reply))
    const { id } = yield* Effect.fromResult(decodeUser(json))
    return { _tag: "Known", id } satisfies Account
  })

  const compare = Effect.gen(function* () {
    for (const key of keys.keys()) {
      accounts.set(key, yield* Effect.retry(read(key), { schedule: Schedule.spaced(pause) }))
    }
    const ids = new Set(
      [...accounts.values()].flatMap((account) => (account._tag === "Known" ? [account.id] : []))
    )
    if (ids.size < 2) return
    fault = {
      _tag: "Unconfigured",
      variable: variables.planeKeys.name,
      fault: "holds keys of several accounts"
    }
    yield* Effect.logError(`${variables.planeKeys.name} holds keys of several accounts: no call is made.`)
  })
  if (keys.length > 1) yield* Effect.forkScoped(compare)

  return {
    isUsable: (key) => {
      const account = accounts.get(key)
      // If Plane accepts none of them, calls fail under the first and say so.
      return account?._tag === "Known" || (key === 0 && !hasKnown(accounts))
    },
    fault: Effect.sync(() => fault)
  }
})

const hasKnown = (accounts: ReadonlyMap<number, Account>): boolean =>
  [...accounts.values()].some(({ _tag }) => _tag === "Known")

const decodeUser = decoder(PlaneUser)
