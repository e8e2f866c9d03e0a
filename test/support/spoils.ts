import { Effect } from "effect"
import { query } from "./database.ts"
import { administer, auditOf, type Served } from "./served.ts"

/** What somebody can have got hold of, of one agent: what an attack must leave as it was. */
export interface Spoils {
  /** Tokens and logins that are good. */
  readonly live: ReadonlyArray<string>
  /** What is on record as done: acts that give something, and writes. Refusals and lockings are none. */
  readonly done: ReadonlyArray<string>
  /** Secrets of logins in the whole database that would be let in or exchanged. */
  readonly secrets: number
}

const giving = /^(oauth\.login|pairing_code\.used|token\.issued|tasker_.*)$/

export const spoilsOf = (agentId: string): Effect.Effect<Spoils, never, Served> =>
  Effect.gen(function* () {
    const { tokens } = yield* administer(`/api/v1/agents/${agentId}`)
    const events = yield* auditOf(agentId)
    const [row] = yield* query`
      select count(*)::int as secrets from oauth_secrets s join tokens t on t.id = s.token_id
      where s.state in ('live', 'previous') and t.revoked_at is null`
    return {
      live: (tokens as ReadonlyArray<{ id: string; status?: string; revoked_at: string | null }>)
        .filter(({ revoked_at }) => revoked_at === null)
        .map(({ id }) => id),
      done: events
        .filter(({ action, outcome }) => outcome === "executed" && giving.test(action))
        .map(({ action, request_id }) => `${action} ${request_id}`),
      secrets: Number(row?.secrets)
    }
  })
