import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { type PlaneActor, PlaneWorld, planeWorld } from "../support/plane-world.ts"
import { call } from "../support/world.ts"

/** What each tool costs in requests: cold, when nothing of the project is cached, and warm. */

interface Cost {
  readonly tool: string
  readonly args: (issueId: string) => object
  readonly cold: ReadonlyArray<string>
  readonly warm: ReadonlyArray<string>
}

const whole = ["labels", "members", "projects", "states", "workspace_members"]
const entrance = ["members", "projects", "workspace_members"]

const costs: ReadonlyArray<Cost> = [
  {
    tool: "tasker_resolve_project",
    args: () => ({}),
    cold: entrance,
    warm: []
  },
  { tool: "tasker_get_project_context", args: () => ({}), cold: whole, warm: [] },
  { tool: "tasker_list_issues", args: () => ({}), cold: [...whole, "list"], warm: ["list"] },
  {
    tool: "tasker_list_issues",
    args: () => ({ search: "card", priority: "high", state: "Backlog" }),
    cold: [...whole, "list"],
    warm: ["list"]
  },
  {
    tool: "tasker_get_issue",
    args: (issue_id) => ({ issue_id }),
    cold: [...whole, "issue"],
    warm: ["issue"]
  },
  {
    tool: "tasker_list_comments",
    args: (issue_id) => ({ issue_id }),
    cold: [...entrance, "issue", "list_comments"],
    warm: ["issue", "list_comments"]
  },
  {
    tool: "tasker_create_issue",
    args: () => ({ name: "New" }),
    cold: [...whole, "create"],
    warm: ["create"]
  },
  {
    tool: "tasker_create_issue",
    args: (parent_id) => ({ name: "New", state: "Todo", labels: ["bug"], assignees: ["ivan"], parent_id }),
    cold: [...whole, "issue", "create"],
    warm: ["issue", "create"]
  },
  {
    tool: "tasker_update_issue",
    args: (issue_id) => ({ issue_id, name: "Renamed", description: "*text*" }),
    cold: [...whole, "issue", "update"],
    warm: ["issue", "update"]
  },
  {
    tool: "tasker_move_issue",
    args: (issue_id) => ({ issue_id, state: "Done" }),
    cold: [...whole, "issue", "update"],
    warm: ["issue", "update"]
  },
  {
    tool: "tasker_set_labels",
    args: (issue_id) => ({ issue_id, labels: ["bug"] }),
    cold: [...whole, "issue", "update"],
    warm: ["issue", "update"]
  },
  {
    tool: "tasker_set_assignees",
    args: (issue_id) => ({ issue_id, assignees: ["ivan"] }),
    cold: [...whole, "issue", "update"],
    warm: ["issue", "update"]
  },
  {
    tool: "tasker_add_comment",
    args: (issue_id) => ({ issue_id, comment: "Looks **good**" }),
    cold: [...entrance, "issue", "comment"],
    warm: ["issue", "comment"]
  }
]

const isWrite = (tool: string) => !/_(get|list|resolve)_/.test(tool)

/** Ops that Plane was asked for while an effect ran, sorted. */
const requestsOf = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const { plane } = yield* PlaneWorld
    const before = (yield* plane.requests).length
    yield* effect
    return (yield* plane.requests)
      .slice(before)
      .map(({ op }) => op ?? "none")
      .sort()
  })

layer(planeWorld(), { timeout: "10 minutes", excludeTestServices: true })("Plane's requests", (it) => {
  let keys = 0
  const run = (actor: PlaneActor, { args, tool }: Cost, issueId: string) =>
    call(actor, tool, {
      ...args(issueId),
      ...(tool === "tasker_resolve_project"
        ? { project_id: undefined, identifier: actor.seeded.project.identifier }
        : {}),
      ...(isWrite(tool) ? { idempotency_key: `cost-of-write-${++keys}` } : {})
    })

  for (const cost of costs) {
    const names = Object.keys(cost.args("id")).join(", ") || "no arguments"
    it.effect(`${cost.tool} with ${names} costs ${cost.cold.length} cold and ${cost.warm.length} warm`, () =>
      Effect.gen(function* () {
        const { actor, plane } = yield* PlaneWorld
        const agent = yield* actor()
        const made = yield* plane.request(
          `/api/v1/workspaces/${agent.seeded.project.workspace_slug}/projects/${agent.seeded.project.id}/issues/`,
          { body: { name: "A card" } }
        )
        const cold = yield* requestsOf(run(agent, cost, made.json.id))
        const warm = yield* requestsOf(run(agent, cost, made.json.id))
        assert.deepStrictEqual({ cold, warm }, { cold: [...cost.cold].sort(), warm: [...cost.warm].sort() })
      })
    )
  }

  it.effect("every path ends with a slash, and nothing but the key says on whose account it is asked", () =>
    Effect.gen(function* () {
      const { plane } = yield* PlaneWorld
      const requests = (yield* plane.requests).filter(({ headers }) => headers["user-agent"] === undefined)
      assert.isAbove(requests.length, costs.length)
      assert.deepStrictEqual(
        requests.filter(({ path }) => !/\/(\?|$)/.test(path)).map(({ path }) => path),
        []
      )
      const names = new Set(requests.flatMap(({ headers }) => Object.keys(headers)))
      assert.deepStrictEqual(
        [...names].filter((name) => /nodedc|authorization|idempotency|cookie/.test(name)),
        []
      )
      assert.deepStrictEqual(
        requests.filter(({ status }) => status === null || status >= 300),
        []
      )
    })
  )
})
