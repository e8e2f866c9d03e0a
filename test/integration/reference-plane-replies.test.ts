import { randomBytes } from "node:crypto"
import { writeFileSync } from "node:fs"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import {
  anonymous,
  differences,
  type Fixture,
  fixtureFile,
  fixtureNames,
  type Run,
  readFixture,
  readHtml,
  run,
  type Spelled,
  type Target
} from "../plane/Fixtures.ts"
import { freshDatabase } from "../support/gateway.ts"
import { freshPlane, type PlaneReply, type PlaneRequest, requestTo } from "../support/plane.ts"

/**
 * Asks for the recorded replies again: of the reference Plane always, and of a real one if PLANE_BASE_URL is set.
 * That needs PLANE_API_KEY of an admin, PLANE_WORKSPACE_SLUG, and three projects: SMOKE_PROJECT_ID (identifier OPS,
 * labels "bug" and "urgent fix"), DEF_PROJECT_ID (DEF, Fedor is the default assignee) and SEC_PROJECT_ID (SEC,
 * secret, the key has no seat), with the people of `Reference` below. PLANE_RECORD=1 records the replies anew.
 */

type Ask = (path: string, request?: PlaneRequest) => Effect.Effect<PlaneReply>

/** Finds what the steps call by name, through the API itself. */
const namesOf = Effect.fnUntraced(function* (
  ask: Ask,
  slug: string,
  projects: Readonly<Record<"P" | "OPS" | "DEF" | "SEC", string>>
) {
  const workspace = `/api/v1/workspaces/${slug}`
  const paths = Object.entries(projects).map(([name, id]) => [name, `${workspace}/projects/${id}`] as const)
  const names: Record<string, string> = {
    W: workspace,
    run: randomBytes(4).toString("hex"),
    ...Object.fromEntries(paths)
  }
  for (const [name, path] of paths.filter(([name]) => name !== "SEC")) {
    for (const kind of ["states", "labels"]) {
      const { json } = yield* ask(`${path}/${kind}/`)
      for (const each of json.results) names[`${name}.${each.name}`] = each.id
    }
  }
  const project = yield* ask(`${workspace}/projects/${projects.P}/`)
  names.IDENT = project.json.identifier
  names.ident = project.json.identifier.toLowerCase()
  names.PROJECT = project.json.name
  names.PID = projects.P
  names.search = `project_id=${projects.P}`
  const members = yield* ask(`${workspace}/members/`)
  for (const { email, id } of members.json) names[email.split("@")[0]] = id
  return names
})

const mark = () => randomBytes(3).toString("hex").toUpperCase()

class Reference extends Context.Service<Reference, { readonly target: Effect.Effect<Target> }>()(
  "test/Reference"
) {
  static readonly layer = Layer.effect(
    Reference,
    Effect.gen(function* () {
      const { url } = yield* freshDatabase
      const plane = yield* freshPlane(url, { bump_min_ms: 0, bump_max_ms: 5 })
      const labels = [
        { name: "bug", color: "#ff0000" },
        { name: "urgent fix", color: "#ffaa00" }
      ]
      const ops = yield* plane.project({ name: "Operations", identifier: "OPS", labels })
      const def = yield* plane.project({
        name: "Defaults",
        identifier: "DEF",
        labels: [],
        default_assignee: "fedor@example.test"
      })
      const sec = yield* plane.project({
        name: "Secret",
        identifier: "SEC",
        labels: [],
        network: 0,
        key_role: null,
        members: [{ email: "ivan@example.test", role: 20 }, { email: "fedor@example.test" }]
      })
      const target = Effect.gen(function* () {
        const fresh = yield* plane.project({
          name: `Fresh ${mark()}`,
          identifier: mark(),
          labels: [],
          members: []
        })
        const projects = {
          P: fresh.project.id,
          OPS: ops.project.id,
          DEF: def.project.id,
          SEC: sec.project.id
        }
        return { request: plane.request, names: yield* namesOf(plane.request, "ops", projects) }
      })
      return { target }
    })
  )
}

/** Fails with every step that came otherwise. */
const expectSame = Effect.fnUntraced(function* (fixture: Fixture, { names, replies }: Run) {
  const found = differences(
    fixture.steps.map(({ reply }) => reply),
    replies,
    names
  )
  const told = fixture.steps.flatMap(({ name }, at) =>
    (found[at] ?? []).map((difference) => `${name}: ${difference}`)
  )
  assert.deepStrictEqual(told, [])
})

layer(Reference.layer, { timeout: "10 minutes", excludeTestServices: true })("the reference Plane", (it) => {
  for (const name of fixtureNames) {
    const fixture = readFixture(name)
    it.effect(`the reference Plane answers as the real one did: ${fixture.about}`, () =>
      Effect.gen(function* () {
        const { target } = yield* Reference
        yield* expectSame(fixture, yield* run(fixture.steps, yield* target))
      })
    )
  }

  it.effect("the reference Plane stores descriptions as the real one spelled them", () =>
    Effect.gen(function* () {
      yield* expectSpelled(yield* (yield* Reference).target, readHtml().pairs)
    })
  )
})

const expectSpelled = Effect.fnUntraced(function* (
  { names, request }: Target,
  pairs: ReadonlyArray<Spelled>
) {
  const told: Array<unknown> = []
  for (const [sent, expected] of pairs) {
    const body = { name: "x", description_html: sent }
    const { json, status } = yield* request(`${names.P}/issues/`, { body })
    const stored = status === 201 ? json.description_html : null
    if (stored !== expected) told.push({ sent, expected, stored })
  }
  assert.deepStrictEqual(told, [])
})

const { env } = process
const real = requestTo(env.PLANE_BASE_URL ?? "", env.PLANE_API_KEY ?? "")
const slug = env.PLANE_WORKSPACE_SLUG ?? ""

/** Makes a project on the real server, and deletes it afterwards. */
const realTarget = Effect.acquireRelease(
  real(`/api/v1/workspaces/${slug}/projects/`, {
    body: { name: `Fresh ${mark()}`, identifier: `F${mark()}` }
  }),
  ({ json }) => real(`/api/v1/workspaces/${slug}/projects/${json.id}/`, { method: "DELETE" })
).pipe(
  Effect.flatMap(({ json }) =>
    namesOf(real, slug, {
      P: json.id,
      OPS: env.SMOKE_PROJECT_ID ?? "",
      DEF: env.DEF_PROJECT_ID ?? "",
      SEC: env.SEC_PROJECT_ID ?? ""
    })
  ),
  Effect.map((names): Target => ({ request: real, names }))
)

describe.skipIf(env.PLANE_BASE_URL === undefined)("a real Plane", () => {
  for (const name of fixtureNames) {
    const fixture = readFixture(name)
    it.effect(`a real Plane answers as it did when it was recorded: ${fixture.about}`, () =>
      Effect.gen(function* () {
        const target = yield* realTarget
        const came = yield* Effect.acquireRelease(run(fixture.steps, target), (made) =>
          discard(fixture, made, target)
        )
        if (env.PLANE_RECORD === "1") record(name, fixture, came)
        else yield* expectSame(fixture, came)
      })
    )
  }

  it.effect("a real Plane spells descriptions as it did", () =>
    Effect.flatMap(realTarget, (target) => expectSpelled(target, Object.values(readHtml()).flat()))
  )
})

/** Deletes what the steps made outside the run's own project. */
const discard = (fixture: Fixture, { names, replies }: Run, { request }: Target) =>
  Effect.forEach(fixture.steps, ({ request: { path } }, at) => {
    const reply = replies[at]
    const [, folder = "", list = ""] = /^\{(OPS|DEF)\}(\/(?:issues|work-items|labels)\/)$/.exec(path) ?? []
    return reply?.status === 201 && folder !== ""
      ? request(`${names[folder]}${list}${idOf(reply.body)}/`, { method: "DELETE" })
      : Effect.void
  })

const idOf = (body: unknown) =>
  typeof body === "object" && body !== null && "id" in body ? String(body.id) : ""

const record = (name: string, fixture: Fixture, { names, replies }: Run) => {
  const recorded = anonymous(replies, names)
  const steps = fixture.steps.map((step, at) => ({ ...step, reply: recorded[at] }))
  writeFileSync(fixtureFile(name), `${JSON.stringify({ ...fixture, steps }, null, 2)}\n`)
}
