import { readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { parseEnv } from "node:util"
import { Effect } from "effect"
import { jsonApi } from "../quickstart/clients.ts"
import { freePort } from "../quickstart/processes.ts"
import { must, step } from "../quickstart/screen.ts"
import { mustRun, project } from "./engine.ts"
import { confined, type Place, portsFile, takenDown } from "./place.ts"

const file = "docker-compose.synology.yml"
const guide = "docs/SYNOLOGY_DEPLOY.md"

/** The first block of commands of the guide's step about secrets. */
const secretsBlock = (text: string): string => {
  const [, block] = /^## 1\. Secrets$[\s\S]*?```bash\n([\s\S]*?)```/m.exec(text) ?? []
  if (block === undefined) throw new Error(`${guide} has no commands under "1. Secrets"`)
  return block
}

/** Production by its guide: secrets made by its commands, the proxy found by what `/readyz` says. */
export const synology = Effect.fnUntraced(function* (place: Place) {
  const path = (name: string) => join(place.folder, name)
  const secrets = yield* step(
    "secrets by the guide's commands",
    async () => {
      const block = secretsBlock(await readFile(path(guide), "utf8"))
      const umask = await mustRun(["sh", "-c", `umask 022\n${block}\numask`], { cwd: place.folder })
      must(umask === "0022", `the shell is left with umask ${umask}`)
      must(((await stat(path(".env"))).mode & 0o777) === 0o600, "others may read .env")
      const text = await readFile(path(".env"), "utf8")
      const filled = text.replace(/^NODEDC_INTERNAL_ACCESS_TOKEN=$/m, `$&${"c".repeat(64)}`)
      await writeFile(path(".env"), filled)
      return parseEnv(filled)
    },
    (found) => Object.keys(found).length.toString()
  )
  const port = yield* Effect.promise(() => freePort(0))
  const url = `http://127.0.0.1:${port}`
  const ports = yield* Effect.promise(() =>
    portsFile(place, "ports.synology.yml", { "agent-gateway": `${port}:4100` })
  )
  const made = project(`${place.id}-synology`, place.folder, [file, ports])
  yield* takenDown(made)
  yield* step("build and up", () => made.compose("up", "-d", "--build", "--wait", "--wait-timeout", "300"))
  yield* step(
    "ready, but for Tasker, which is not here; browsers are told to use https",
    () => fetch(`${url}/readyz`),
    (response) => {
      must(response.status === 200, `/readyz answered ${response.status}`)
      must(response.headers.has("strict-transport-security"), "no Strict-Transport-Security")
      return "degraded"
    }
  )
  yield* step(
    "confined",
    () => confined(made, ["postgres", "agent-gateway"]),
    (services) => services
  )
  yield* step(
    "/readyz names the proxy to trust: the network's own address, as the guide says",
    async () => {
      const gateway = await mustRun([
        ...["docker", "network", "inspect", `${made.name}_default`],
        ...["--format", "{{(index .IPAM.Config 0).Gateway}}"]
      ])
      await fetch(`${url}/healthz`, { headers: { "x-forwarded-for": "203.0.113.9" } })
      const { operators } = await jsonApi(url, secrets.NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN)("GET", "/readyz")
      return { gateway, warnings: (operators as { warnings: ReadonlyArray<string> }).warnings }
    },
    ({ gateway, warnings }) => {
      must(
        warnings.some((warning) => warning.startsWith(`The peer ${gateway} sends X-Forwarded-For`)),
        `${gateway} is not named: ${warnings.join(" ")}`
      )
      return gateway
    }
  )
  yield* step(
    "refused with the values of .env.example",
    async () => {
      const example = parseEnv(await readFile(path(".env.example"), "utf8"))
      const given = ["POSTGRES_PASSWORD", "POSTGRES_CALLS_PASSWORD", "NODEDC_INTERNAL_ACCESS_TOKEN"].concat([
        "NODEDC_AGENT_GATEWAY_INTERNAL_TOKEN",
        "AUDIT_SIGNING_KEY",
        "PAIRING_PEPPER"
      ])
      const env = Object.fromEntries(given.map((name) => [name, example[name] ?? ""]))
      const known = project(made.name, place.folder, [file, ports], env)
      return known.tryCompose("run", "--rm", "--no-deps", "agent-gateway")
    },
    ({ code, said }) => {
      must(code === 1, `ended with ${code}:\n${said}`)
      for (const name of ["DATABASE_URL", "MIGRATION_DATABASE_URL", "NODEDC_INTERNAL_ACCESS_TOKEN"]) {
        must(said.includes(`  ${name}: holds the value of .env.example`), `${name} is not named:\n${said}`)
      }
      return "by variable"
    }
  )
})
