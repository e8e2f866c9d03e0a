import { randomUUID } from "node:crypto"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { freshDatabase, secret } from "../support/gateway.ts"
import { administer, newAgent, Served, sendTo, start } from "../support/served.ts"
import { freshTasker, type TaskerControl } from "../support/tasker.ts"

/** Three gateways on one database. What is administered is so at the first. */
class Instances extends Context.Service<
  Instances,
  { readonly urls: readonly [string, string, string]; readonly tasker: TaskerControl }
>()("test/instances/Instances") {}

const three = Layer.effectContext(
  Effect.gen(function* () {
    const { url: databaseUrl } = yield* freshDatabase
    const tasker = yield* freshTasker(databaseUrl, secret())
    const internalToken = secret()
    const one = start({
      DATABASE_URL: databaseUrl,
      NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN: internalToken,
      NODEDC_TASKER_INTERNAL_URL: tasker.url,
      NODEDC_INTERNAL_ACCESS_TOKEN: tasker.accessToken
    })
    const urls = [yield* one, yield* one, yield* one] as const
    return Context.make(Instances, { urls, tasker }).pipe(
      Context.add(Served, Served.of({ url: urls[0], internalToken, databaseUrl }))
    )
  })
)

const newcomer = Effect.gen(function* () {
  const { tasker } = yield* Instances
  const { project } = yield* tasker.project()
  const terms = { project_id: project.id, workspace_slug: project.workspace_slug, scopes: allScopes }
  return { ...(yield* newAgent([terms])), terms }
})

const at = (url: string, token: string, tool: string, args: object) =>
  sendTo(`${url}/api/v1/tools/${tool}`, { token, body: args })

/** What every instance answers to one call, made of all of them at the same moment. */
const everywhere = (token: string, tool: string, args: () => object) =>
  Effect.gen(function* () {
    const { urls } = yield* Instances
    const replies = yield* Effect.all(
      urls.map((url) => at(url, token, tool, args())),
      { concurrency: "unbounded" }
    )
    return replies.map(({ status, json }) => (status === 200 ? "done" : `${status} ${json.code}`))
  })

const alike = (answer: string) => [answer, answer, answer]
const session = (token: string) => everywhere(token, "tasker_get_session", () => ({}))
const create = (agent: { readonly token: string; readonly terms: { readonly project_id: string } }) =>
  everywhere(agent.token, "tasker_create_issue", () => {
    const key = randomUUID()
    return { project_id: agent.terms.project_id, name: `Card ${key}`, idempotency_key: key }
  })

layer(three, { timeout: "10 minutes", excludeTestServices: true })(
  "what is decided at one instance",
  (it) => {
    it.effect("about a token holds at the next call on every other", () =>
      Effect.gen(function* () {
        const agent = yield* newcomer
        assert.deepStrictEqual(yield* session(agent.token), alike("done"))
        yield* administer(`/api/v1/agents/${agent.id}/tokens/${agent.tokenId}`, { method: "DELETE" })
        assert.deepStrictEqual(yield* session(agent.token), alike("401 auth.revoked"))
        assert.deepStrictEqual(yield* create(agent), alike("401 auth.revoked"))
      })
    )

    it.effect("about a grant's scopes, and its end, holds at the next call on every other", () =>
      Effect.gen(function* () {
        const { tasker } = yield* Instances
        const agent = yield* newcomer
        assert.deepStrictEqual(yield* create(agent), alike("done"))
        const { grant } = yield* administer(`/api/v1/agents/${agent.id}/grants`, {
          body: { ...agent.terms, scopes: ["project:read", "issue:read"] }
        })
        const before = (yield* tasker.writes).length
        assert.deepStrictEqual(yield* create(agent), alike("403 grant.scope_missing"))
        yield* administer(`/api/v1/agents/${agent.id}/grants/${grant.id}`, { method: "DELETE" })
        assert.deepStrictEqual(yield* create(agent), alike("403 grant.no_grant"))
        assert.strictEqual((yield* tasker.writes).length, before)
      })
    )

    it.effect("about an agent holds at the next call on every other, and so does its being lifted", () =>
      Effect.gen(function* () {
        const agent = yield* newcomer
        assert.deepStrictEqual(yield* create(agent), alike("done"))
        const become = (status: string) =>
          administer(`/api/v1/agents/${agent.id}`, { method: "PATCH", body: { status } })
        yield* become("disabled")
        assert.deepStrictEqual(yield* session(agent.token), alike("401 auth.agent_disabled"))
        assert.deepStrictEqual(yield* create(agent), alike("401 auth.agent_disabled"))
        yield* become("active")
        assert.deepStrictEqual(yield* create(agent), alike("done"))
      })
    )
  }
)

layer(three, { timeout: "10 minutes", excludeTestServices: true })("one key at several instances", (it) => {
  it.effect("is one write, whoever comes first, and every instance gives its answer", () =>
    Effect.gen(function* () {
      const { tasker, urls } = yield* Instances
      const agent = yield* newcomer
      for (let round = 0; round < 10; round++) {
        const before = (yield* tasker.writes).length
        const card = {
          project_id: agent.terms.project_id,
          name: `Raced ${round}`,
          idempotency_key: `raced-key-${round}`
        }
        const replies = yield* Effect.all(
          [...urls, ...urls, ...urls].map((url) => at(url, agent.token, "tasker_create_issue", card)),
          { concurrency: "unbounded" }
        )
        for (const { status, json } of replies) {
          assert.include(
            ["200", "409 idempotency.in_progress"],
            status === 200 ? "200" : `${status} ${json.code}`
          )
        }
        const first = replies.filter(({ json, status }) => status === 200 && !json.replayed)
        assert.lengthOf(first, 1)
        for (const url of urls) {
          const { json } = yield* at(url, agent.token, "tasker_create_issue", card)
          assert.deepStrictEqual(json, { ...first[0]?.json, replayed: true })
        }
        assert.strictEqual((yield* tasker.writes).length, before + 1)
      }
    })
  )
})
