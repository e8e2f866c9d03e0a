import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Effect } from "effect"
import { jsonApi } from "../quickstart/clients.ts"
import { must } from "../quickstart/screen.ts"
import { inspect, type Project } from "./engine.ts"

/** Where a part of the check works. */
export interface Place {
  /** A copy of the checkout. */
  readonly folder: string
  /** PostgreSQL of the counterparts. */
  readonly databaseUrl: string
  /** Begins the names of all projects. */
  readonly id: string
}

/** Takes a project down when the scope closes, with its volumes and the images that were built for it. */
export const takenDown = (project: Project) =>
  Effect.acquireRelease(Effect.succeed(project), ({ tryCompose }) =>
    Effect.promise(() => tryCompose("down", "--volumes", "--rmi", "local", "--timeout", "40"))
  )

/** Writes a Compose file that replaces the ports of services, which may be taken on this host. */
export const portsFile = async (
  { folder }: Place,
  name: string,
  ports: Readonly<Record<string, string>>
): Promise<string> => {
  const services = Object.entries(ports).map(
    ([service, port]) => `  ${service}:\n    ports: !override ["127.0.0.1:${port}"]\n`
  )
  await writeFile(join(folder, name), `services:\n${services.join("")}`)
  return name
}

/** Makes agents with a grant and a token each, as Tasker's backend would. */
export const agents = async (
  url: string,
  internalToken: string,
  terms: Readonly<Record<string, unknown>>,
  count: number
): Promise<ReadonlyArray<string>> => {
  const lifecycle = jsonApi(url, internalToken)
  const made: Array<string> = []
  for (let n = 0; n < count; n++) {
    const { agent } = (await lifecycle("POST", "/api/v1/agents", {
      owner_user_id: "olga",
      owner_email: "olga@example.test",
      display_name: `Codex ${n}`
    })) as { agent: { id: string } }
    await lifecycle("POST", `/api/v1/agents/${agent.id}/grants`, terms)
    const { token } = await lifecycle("POST", `/api/v1/agents/${agent.id}/tokens`, { name: "compose" })
    made.push(String(token))
  }
  return made
}

export const scopes = ["project:read", "issue:read", "issue:create"]

/** The last lines of a project's logs that tell of errors. */
export const errorsOf = async ({ compose }: Project): Promise<string> => {
  const log = await compose("logs", "--timestamps", "proxy", "agent-gateway")
  return log
    .split("\n")
    .filter((text) => /"level":"error"| ERROR | WARN /.test(text))
    .slice(-30)
    .join("\n")
}

/** Fails unless each container runs without root, privileges and a file system to write to, and within bounds. */
export const confined = async (project: Project, services: ReadonlyArray<string>): Promise<string> => {
  for (const service of services) {
    for (const id of await project.containers(service)) {
      const facts = await inspect(
        id,
        "{{.HostConfig.Memory}} {{.HostConfig.PidsLimit}} {{.HostConfig.RestartPolicy.Name}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}"
      )
      const [memory, pids, restart, readOnly, dropped] = facts.split(" ")
      must(Number(memory) > 0, `${service} has no limit of memory`)
      must(Number(pids) > 0, `${service} has no limit of processes`)
      must(restart === "unless-stopped", `${service} does not come back after a restart of the engine`)
      if (service === "postgres") continue
      must(readOnly === "true" && dropped === "[ALL]", `${service} has more rights than it needs`)
    }
  }
  return services.join(", ")
}
