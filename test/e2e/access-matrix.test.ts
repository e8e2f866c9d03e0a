import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { allScopes } from "../../src/domain/Scope.ts"
import { problems } from "../../src/http/Problem.ts"
import { tools } from "../../src/tools/registry.ts"
import { query } from "../support/database.ts"
import {
  type Agent,
  administer,
  auditOf,
  newAgent,
  ReferenceTasker,
  type Served,
  send,
  served
} from "../support/served.ts"
import type { RecordedRequest } from "../support/tasker.ts"
import { call, type Door, doors } from "../support/tool-calls.ts"
import { argsOf, argumentsOf, makeScene, rows, type Scene, termsOf, writes } from "../support/tool-rows.ts"

/**
 * Who may do what, for every tool there is, through both doors. The tables are made from the tools
 * themselves: a new tool is in them once it has its row of arguments.
 */

class Stage extends Context.Service<
  Stage,
  {
    readonly scene: Scene
    readonly agents: Map<string, Agent>
  }
>()("test/Stage") {}

const stage = Layer.effect(
  Stage,
  Effect.map(makeScene, (scene) => Stage.of({ scene, agents: new Map() }))
).pipe(Layer.provideMerge(served()))

const but = (scope: string | null) => allScopes.filter((other) => other !== scope)

/** The standings of an agent towards the scene's project, each made when it is first asked for. */
const standings: Readonly<
  Record<string, (scene: Scene) => Effect.Effect<Agent, unknown, Served | ReferenceTasker>>
> = {
  "no grant at all": () => newAgent([]),
  "a grant on another project": (scene) => newAgent([termsOf(scene, allScopes, scene.other.projectId)]),
  "an expired grant": (scene) =>
    Effect.gen(function* () {
      const agent = yield* newAgent([termsOf(scene, allScopes)])
      yield* query`update grants set expires_at = now() - interval '1 second' where agent_id = ${agent.id}::uuid`
      return agent
    }),
  "a revoked grant": (scene) =>
    Effect.gen(function* () {
      const agent = yield* newAgent([termsOf(scene, allScopes)])
      yield* administer(`/api/v1/agents/${agent.id}/grants/${agent.grantIds[0]}`, { method: "DELETE" })
      return agent
    }),
  "all scopes": (scene) => newAgent([termsOf(scene, allScopes)]),
  ...Object.fromEntries(
    allScopes.map((scope) => [
      `all scopes but ${scope}`,
      (scene: Scene) => newAgent([termsOf(scene, but(scope))])
    ])
  )
}

const agentWith = Effect.fnUntraced(function* (standing: string) {
  const { scene, agents } = yield* Stage
  const known = agents.get(standing)
  if (known !== undefined) return known
  const make = standings[standing]
  if (make === undefined) return yield* Effect.die(new Error(`There is no standing called ${standing}`))
  const agent = yield* Effect.orDie(make(scene))
  agents.set(standing, agent)
  return agent
})

interface Row {
  readonly tool: (typeof tools)[number]
  readonly name: string
  readonly via: Door
  readonly standing: string
  /** The failure that is due; none: the call succeeds. */
  readonly code: string | undefined
  readonly about: string
  readonly change: (scene: Scene) => Readonly<Record<string, unknown>>
}

/** A tool that finds projects says of every project that it may not show the same as of none. */
const findsProjects = (tool: Row["tool"]) => tool.scope !== null && tool.name === "tasker_resolve_project"

const ordinary = { about: "on its own project", change: () => ({}) }

const expected = (tool: Row["tool"], standing: string): string | undefined => {
  if (tool.scope === null || standing === "all scopes") return undefined
  if (standing.startsWith("all scopes but")) {
    if (standing !== `all scopes but ${tool.scope}`) return undefined
    return findsProjects(tool) ? "grant.no_grant" : "grant.scope_missing"
  }
  return standing === "an expired grant" && !findsProjects(tool) ? "grant.grant_expired" : "grant.no_grant"
}

const table: ReadonlyArray<Row> = doors.flatMap((via) =>
  tools.flatMap((tool) => [
    ...Object.keys(standings).map((standing) => ({
      ...{ tool, name: tool.name, via, standing, ...ordinary },
      code: expected(tool, standing)
    })),
    ...["issue_id", "parent_id"]
      .filter((field) => argumentsOf(tool).has(field))
      .map((field) => ({
        ...{ tool, name: tool.name, via, standing: "all scopes" },
        code: "grant.wrong_project",
        about: `with another project's card as ${field}`,
        change: (scene: Scene) => ({ [field]: scene.other.issueId })
      }))
  ])
)

const seenSince = Effect.fnUntraced(function* (n: number) {
  const tasker = yield* ReferenceTasker
  const { requests, last } = (yield* tasker.send("GET", `/requests?since=${n}`)) as {
    readonly requests: ReadonlyArray<RecordedRequest>
    readonly last: number
  }
  return { requests, last, writes: (yield* tasker.writes).length }
})

const denied = table.filter(({ code }) => code !== undefined)
const allowed = table.filter(({ code }) => code === undefined)

layer(stage, { timeout: "10 minutes", excludeTestServices: true })("an agent", (it) => {
  it.effect("has every tool in these tables, and is shown those that its grants allow", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        Object.keys(rows),
        tools.map(({ name }) => name)
      )
      for (const standing of Object.keys(standings)) {
        const { token } = yield* agentWith(standing)
        const listed = yield* send("/api/v1/tools", { token })
        // A grant on any project shows a tool; on which project it may be used is said at the call.
        const of = standing === "a grant on another project" ? "all scopes" : standing
        assert.deepStrictEqual(
          listed.json.tools.map(({ name }: { name: string }) => name),
          tools.filter((tool) => expected(tool, of) === undefined).map(({ name }) => name),
          standing
        )
      }
    })
  )

  it.effect.each(denied)("is refused $name as $code with $standing, $about, over $via", (row) =>
    Effect.gen(function* () {
      const { scene } = yield* Stage
      const agent = yield* agentWith(row.standing)
      const before = yield* seenSince(Number.MAX_SAFE_INTEGER)
      const args = { ...argsOf(row.tool, scene), ...row.change(scene) }
      const outcome = yield* call(row.via, agent.token, row.name, args)
      assert.strictEqual(outcome.code, row.code)
      assert.strictEqual(
        outcome.status,
        row.via === "mcp" ? 200 : problems[row.code as keyof typeof problems].status
      )
      const after = yield* seenSince(before.last)
      assert.strictEqual(after.writes, before.writes)
      // Of a card's project Tasker itself is asked, within the project that is granted; else of nothing.
      assert.deepStrictEqual(
        after.requests.filter(
          ({ op, path }) =>
            row.code !== "grant.wrong_project" ||
            (op === "list" && !path.includes(`project_id=${scene.projectId}`)) ||
            !["list", "context"].includes(op ?? "")
        ),
        []
      )
      const events = (yield* auditOf(agent.id)).filter(({ request_id }) => request_id === outcome.requestId)
      assert.deepStrictEqual(
        events.map(({ action, outcome: came, reason, via }) => `${action} ${came} ${reason} ${via}`),
        writes(row.tool) ? [`${row.name} denied ${row.code} ${row.via}`] : []
      )
    })
  )

  it.effect.each(allowed)("may use $name with $standing over $via", (row) =>
    Effect.gen(function* () {
      const { scene } = yield* Stage
      const agent = yield* agentWith(row.standing)
      const before = yield* seenSince(Number.MAX_SAFE_INTEGER)
      const outcome = yield* call(row.via, agent.token, row.name, argsOf(row.tool, scene))
      assert.isUndefined(outcome.error)
      assert.strictEqual(outcome.status, 200)
      assert.strictEqual((yield* seenSince(before.last)).writes - before.writes, writes(row.tool) ? 1 : 0)
      const events = (yield* auditOf(agent.id)).filter(({ request_id }) => request_id === outcome.requestId)
      assert.deepStrictEqual(
        events.map(({ action, outcome: came, reason, via }) => `${action} ${came} ${reason} ${via}`),
        writes(row.tool) ? [`${row.name} executed null ${row.via}`] : []
      )
    })
  )
})
