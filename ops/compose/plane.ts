import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { Effect } from "effect"
import { jsonApi } from "../quickstart/clients.ts"
import { startCounterpart } from "../quickstart/counterparts.ts"
import { freePort } from "../quickstart/processes.ts"
import { must, step } from "../quickstart/screen.ts"
import { openToContainers } from "./checkout.ts"
import { mustRun, project, run } from "./engine.ts"
import { agents, type Place, portsFile, scopes, takenDown } from "./place.ts"

const inAWeek = () => new Date(Date.now() + 7 * 86_400_000).toISOString()

/** The gateway beside Plane, on a network that is not its own, with the reference Plane on the host. */
export const plane = Effect.fnUntraced(function* (place: Place) {
  const example = parseEnv(yield* Effect.promise(() => readFile(join(place.folder, ".env.example"), "utf8")))
  const apiKey = "plane_api_of_the_compose_check"
  const counterpart = yield* startCounterpart("plane", { ...place, secret: apiKey })
  yield* openToContainers(Number(new URL(counterpart.url).port))
  const network = `${place.id}-planes-own`
  yield* Effect.acquireRelease(
    Effect.promise(() => mustRun(["docker", "network", "create", network])),
    () => Effect.promise(() => run(["docker", "network", "rm", network]))
  )
  const [port, databasePort] = yield* Effect.promise(() => Promise.all([freePort(0), freePort(0)]))
  const url = `http://127.0.0.1:${port}`
  const ports = yield* Effect.promise(() =>
    portsFile(place, "ports.plane.yml", { postgres: `${databasePort}:5432`, proxy: `${port}:4100` })
  )
  const made = project(
    `${place.id}-plane`,
    place.folder,
    ["docker-compose.local.yml", "docker-compose.plane.yml", ports],
    {
      PLANE_NETWORK: network,
      PLANE_BASE_URL: counterpart.url,
      PLANE_API_KEYS: apiKey,
      PLANE_WEB_URL: "https://plane.example.test",
      HOST_PORT: String(port)
    }
  )
  yield* takenDown(made)
  yield* step("build and up", () => made.compose("up", "-d", "--build"))
  yield* step(
    "ready",
    () => jsonApi(url)("GET", "/readyz"),
    ({ status }) => {
      must(status === "ready", `/readyz says ${status}`)
      return String(status)
    }
  )
  yield* step(
    "a card, through the gateway to Plane",
    async () => {
      const { ops } = await counterpart.seed()
      const terms = {
        workspace_slug: counterpart.workspace,
        project_id: ops,
        scopes,
        expires_at: inAWeek()
      }
      const [token] = await agents(url, example.NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN ?? "", terms, 1)
      const { issue } = await jsonApi(url, token)("POST", "/api/v1/tools/tasker_create_issue", {
        project_id: ops,
        name: "Beside Plane",
        idempotency_key: "compose:plane"
      })
      must((await counterpart.writes()) === 1, "Plane was not written to once")
      return String((issue as { url: string }).url)
    },
    (link) => {
      must(link.startsWith("https://plane.example.test/"), `the card's link is ${link}`)
      return link
    }
  )
})
