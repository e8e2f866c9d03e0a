import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { Effect } from "effect"
import { jsonApi } from "../quickstart/clients.ts"
import { startCounterpart } from "../quickstart/counterparts.ts"
import { freePort } from "../quickstart/processes.ts"
import { must, step } from "../quickstart/screen.ts"
import { openToContainers } from "./checkout.ts"
import { mustRun, project } from "./engine.ts"
import { restartEach, startLoad } from "./load.ts"
import { agents, confined, errorsOf, type Place, portsFile, scopes, takenDown } from "./place.ts"

const file = "docker-compose.local.yml"

/** Writers of the load. Each has an agent, so that no agent's rate is reached. */
const writers = 12

/** The README's way with Docker: `.env.example` as it is, then three gateways restarted one by one under load. */
export const local = Effect.fnUntraced(function* (place: Place, stops: number) {
  const example = parseEnv(yield* Effect.promise(() => readFile(join(place.folder, ".env.example"), "utf8")))
  const counterpart = yield* startCounterpart("nodedc", {
    ...place,
    secret: example.NODEDC_INTERNAL_ACCESS_TOKEN ?? ""
  })
  yield* openToContainers(Number(new URL(counterpart.url).port))
  const [port, databasePort] = yield* Effect.promise(() => Promise.all([freePort(0), freePort(0)]))
  const url = `http://127.0.0.1:${port}`
  const ports = yield* Effect.promise(() =>
    portsFile(place, "ports.local.yml", { postgres: `${databasePort}:5432`, proxy: `${port}:4100` })
  )
  const made = project(`${place.id}-local`, place.folder, [file, ports], {
    NODEDC_TASKER_INTERNAL_URL: counterpart.url,
    RATE_LIMIT_WRITES_PER_MINUTE: "0",
    HOST_PORT: String(port)
  })
  yield* takenDown(made)

  yield* step(
    "its name is its own, whatever the folder is called",
    async () => {
      const { name } = JSON.parse(
        await mustRun(["docker", "compose", "--env-file", ".env", "-f", file, "config", "--format", "json"], {
          cwd: place.folder
        })
      ) as { name: string }
      must(name === "tasker-codex-local", `it is called ${name}`)
      return name
    },
    (name) => name
  )
  yield* step("build from a checkout that its owner alone may read", () => made.compose("build"))
  yield* step("up, with .env.example as it is", () => made.compose("up", "-d"))
  yield* step(
    "ready, with the Tasker of this host that .env names",
    () => jsonApi(url)("GET", "/readyz"),
    ({ status }) => {
      must(status === "ready", `/readyz says ${status}`)
      return String(status)
    }
  )
  yield* step(
    "one warning of the example's secrets",
    () => made.compose("logs", "--no-log-prefix", "agent-gateway"),
    (log) => {
      const warnings = log.split("\n").filter((text) => text.includes("values of .env.example"))
      must(warnings.length === 1, `${warnings.length} warnings in the log:\n${log}`)
      return ""
    }
  )
  yield* step(
    "refused beyond loopback",
    () => made.tryCompose("run", "--rm", "--no-deps", "-e", "HOST_BIND=0.0.0.0", "agent-gateway"),
    ({ code, said }) => {
      must(code === 1, `ended with ${code}:\n${said}`)
      for (const name of ["NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN", "AUDIT_SIGNING_KEY", "PAIRING_PEPPER"]) {
        must(said.includes(`${name}: holds the value of .env.example`), `${name} is not named:\n${said}`)
      }
      return "by variable"
    }
  )
  yield* step(
    "confined",
    () => confined(made, ["postgres", "agent-gateway", "proxy", "ready"]),
    (services) => services
  )

  yield* step("three gateways", () => made.compose("up", "-d", "--scale", "agent-gateway=3", "--no-recreate"))
  const { ops } = yield* step("a project and twelve agents", counterpart.seed)
  const token = example.NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN ?? ""
  const terms = { workspace_slug: counterpart.workspace, project_id: ops, scopes }
  const tokens = yield* Effect.promise(() => agents(url, token, terms, writers))
  yield* step(
    `a rolling restart under load, ${stops} stops or more`,
    async () => {
      const load = startLoad(url, ops, tokens)
      let stopped = 0
      while (stopped < stops) stopped += await restartEach(made, "agent-gateway", load)
      const outcome = await load.end()
      const errors = outcome.failed.length === 0 ? "" : await errorsOf(made)
      return { stopped, errors, ...outcome }
    },
    ({ errors, failed, made: cards, repeated, stopped }) => {
      must(
        failed.length === 0,
        `${failed.length} of ${cards + failed.length} calls failed:\n${failed.join("\n")}\n${errors}`
      )
      const slow = repeated === 0 ? "" : `; ${repeated} repeated because PostgreSQL did not keep up`
      return `${stopped} stops, ${cards} cards, none lost or refused${slow}`
    }
  ).pipe(
    Effect.tap(({ made: cards }) =>
      step("every acknowledged card is one write of Tasker", counterpart.writes, (writes) => {
        must(writes === cards, `${cards} were acknowledged, Tasker was written to ${writes} times`)
        return String(writes)
      })
    )
  )
  yield* step(
    "down and up again, with all that it kept",
    async () => {
      await made.compose("down", "--timeout", "40")
      await made.compose("up", "-d")
      const { agents: kept } = await jsonApi(url, token)("GET", "/api/v1/agents?limit=100")
      return (kept as ReadonlyArray<unknown>).length
    },
    (kept) => {
      must(kept === writers, `${kept} of ${writers} agents are there`)
      return `${kept} agents`
    }
  )
})
