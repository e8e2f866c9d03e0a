import { randomUUID } from "node:crypto"
import { mustRun, type Project } from "./engine.ts"

/**
 * Writers that create one card after another through the proxy. They repeat a call only if PostgreSQL did not keep up
 * with the machine's load, which is no instance's doing: 503 that names the database.
 */

export interface Outcome {
  readonly made: number
  /** Calls that PostgreSQL was too slow for, and that were repeated with their key. */
  readonly repeated: number
  readonly failed: ReadonlyArray<string>
}

export interface Load {
  /** Waits until so many more cards were acknowledged. */
  readonly more: (count: number) => Promise<void>
  /** Ends the load, and tells what came of each call. */
  readonly end: () => Promise<Outcome>
}

/** Also while the call before it, which was not waited for any longer, is still being carried out. */
const isSlowDatabase = (status: number, text: string): boolean =>
  (status === 503 && /"detail":"[^"]*database/.test(text)) || text.includes('"idempotency.in_progress"')

export const startLoad = (url: string, projectId: string, tokens: ReadonlyArray<string>): Load => {
  let made = 0
  let repeated = 0
  let ending = false
  const failed: Array<string> = []

  const create = async (token: string, key: string = randomUUID()): Promise<void> => {
    const at = new Date().toISOString()
    try {
      const response = await fetch(`${url}/api/v1/tools/tasker_create_issue`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ project_id: projectId, name: `Card ${key}`, idempotency_key: key })
      })
      const text = await response.text()
      if (response.status === 200) made += 1
      else if (isSlowDatabase(response.status, text)) {
        repeated += 1
        const seconds = Number(response.headers.get("retry-after") ?? 1)
        await new Promise((wake) => setTimeout(wake, 1000 * seconds))
        return create(token, key)
      } else failed.push(`${at} ${response.status} ${text.slice(0, 300)}`)
    } catch (error) {
      failed.push(`${at} no reply: ${error instanceof Error ? String(error.cause ?? error.message) : error}`)
    }
  }
  const writers = tokens.map(async (token) => {
    while (!ending) await create(token)
  })

  return {
    more: async (count) => {
      const goal = made + count
      const until = performance.now() + 180_000
      while (made < goal) {
        if (performance.now() > until)
          throw new Error(`The load stands still:\n${failed.slice(-5).join("\n")}`)
        await new Promise((wake) => setTimeout(wake, 50))
      }
    },
    end: async () => {
      ending = true
      await Promise.all(writers)
      return { made, repeated, failed }
    }
  }
}

const healthy = async (id: string): Promise<void> => {
  const until = performance.now() + 180_000
  for (;;) {
    const status = await mustRun(["docker", "inspect", id, "--format", "{{.State.Health.Status}}"])
    if (status === "healthy") return
    if (performance.now() > until) throw new Error(`A gateway is ${status} three minutes after its start`)
    await new Promise((wake) => setTimeout(wake, 200))
  }
}

/** Stops and starts each container of a service in turn, with load before, between and after. */
export const restartEach = async (project: Project, service: string, load: Load): Promise<number> => {
  const ids = await project.containers(service)
  for (const id of ids) {
    await load.more(30)
    await mustRun(["docker", "stop", id])
    await load.more(30)
    await mustRun(["docker", "start", id])
    await healthy(id)
  }
  return ids.length
}
