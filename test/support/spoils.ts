import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { query } from "./database.ts"
import { administer, auditOf, newAgent, ReferenceTasker, type Reply, type Served } from "./served.ts"

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

/** An agent with a project in the reference Tasker, for somebody to attack. */
export const victim = (scopes: ReadonlyArray<string> = ["project:read", "issue:read", "issue:create"]) =>
  Effect.gen(function* () {
    const tasker = yield* ReferenceTasker
    const { project } = yield* tasker.project()
    return yield* newAgent([{ project_id: project.id, workspace_slug: project.workspace_slug, scopes }])
  })

/** Refused by the token endpoint as RFC 6749 section 5.2 says, and without a token in any form. */
export const givesNoToken = (reply: Reply, ...errors: ReadonlyArray<string>) => {
  assert.strictEqual(reply.status, 400, reply.text)
  assert.include(errors, reply.json.error)
  assert.notMatch(reply.text, /ndca[tor]_/)
  assert.strictEqual(reply.headers["cache-control"], "no-store")
}
