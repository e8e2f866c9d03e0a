import { Effect } from "effect"
import { jsonApi } from "./clients.ts"
import { type Running, start } from "./processes.ts"
import { cyan, step } from "./screen.ts"

/** A Tasker or a Plane that the quickstart runs the gateway in front of. */
export interface Counterpart {
  readonly url: string
  /** Variables that lead the gateway to it. */
  readonly gateway: Readonly<Record<string, string>>
  readonly workspace: string
  /** Longest lifetime of a grant there, in days; undefined if a grant may have no end. */
  readonly grantDays: number | undefined
  readonly seed: () => Promise<{ readonly ops: string; readonly other: string }>
  /** How many writes it executed. */
  readonly writes: () => Promise<number>
}

export const kinds = ["nodedc", "plane"] as const
export type Kind = (typeof kinds)[number]

const members = [
  { id: "olga", display_name: "Olga Smirnova", email: "olga@example.test", role: 20 },
  { id: "ivan", display_name: "Ivan Petrov", email: "ivan@example.test", role: 15 }
]

const listening = (running: Running) => () =>
  running.until((text) => /"listening":\s*"([^"]+)"/.exec(text)?.[1], 30)

const written = async (control: ReturnType<typeof jsonApi>) =>
  ((await control("GET", "/writes")) as { readonly writes: ReadonlyArray<unknown> }).writes.length

const seedIn =
  (control: ReturnType<typeof jsonApi>, workspace_slug: string, people: ReadonlyArray<object>) =>
  async () => {
    const seed = async (identifier: string, name: string) => {
      const fields = { workspace_slug, identifier, name, labels: [{ name: "docs" }], members: people }
      const { project } = (await control("POST", "/projects", fields)) as {
        readonly project: { readonly id: string }
      }
      return project.id
    }
    return { ops: await seed("OPS", "Operations"), other: await seed("FIN", "Finance") }
  }

interface Place {
  readonly folder: string
  readonly databaseUrl: string
  readonly secret: string
}

const tasker = Effect.fnUntraced(function* ({ databaseUrl, folder, secret }: Place) {
  const running = yield* start("test/tasker/main.ts", folder, {
    TASKER_PORT: "0",
    TASKER_DATABASE_URL: databaseUrl,
    TASKER_SCHEMA: "tasker",
    TASKER_ACCESS_TOKEN: secret
  })
  const url = yield* step("reference Tasker", listening(running), cyan)
  const control = jsonApi(`${url}/control`)
  return {
    url,
    gateway: { NODEDC_TASKER_INTERNAL_URL: url, NODEDC_INTERNAL_ACCESS_TOKEN: secret },
    workspace: "nodedc",
    grantDays: undefined,
    seed: seedIn(control, "nodedc", members),
    writes: () => written(control)
  } satisfies Counterpart
})

const plane = Effect.fnUntraced(function* ({ databaseUrl, folder, secret }: Place) {
  const running = yield* start("test/plane/main.ts", folder, {
    PLANE_PORT: "0",
    PLANE_DATABASE_URL: databaseUrl,
    PLANE_SCHEMA: "plane",
    PLANE_API_KEY: secret
  })
  const url = yield* step("reference Plane", listening(running), cyan)
  const control = jsonApi(`${url}/control`)
  return {
    url,
    gateway: { TASKER_KIND: "plane", PLANE_BASE_URL: url, PLANE_API_KEYS: secret },
    workspace: "nodedc",
    grantDays: 7,
    seed: seedIn(
      control,
      "nodedc",
      members.map(({ id: _, ...person }) => person)
    ),
    writes: () => written(control)
  } satisfies Counterpart
})

/** Starts the counterpart as a process. It stops when the scope closes. */
export const startCounterpart = (kind: Kind, place: Place) =>
  kind === "plane" ? plane(place) : tasker(place)
