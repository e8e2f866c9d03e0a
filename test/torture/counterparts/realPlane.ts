import { join } from "node:path"
import { brokerDelay } from "../HoldUps.ts"
import { readJournal } from "../proxy/Journal.ts"
import { type Api, type Counterpart, numbered, type Place, type Project, sender } from "./Counterpart.ts"
import { effectsOf, writeOf } from "./plane.ts"
import { readBoard } from "./planeBoard.ts"
import { recordsOf } from "./planeRecords.ts"

/** A real Plane, by REST v1 alone, behind a proxy that makes the faults. */
export interface NamedPlane {
  readonly url: string
  readonly apiKey: string
  readonly workspace: string
  readonly requestsPerMinute: string
}

const required = ["PLANE_BASE_URL", "PLANE_API_KEY", "SMOKE_WORKSPACE_SLUG"] as const

/** Throws with words if a variable is missing. */
export const namedPlane = (all: Readonly<Record<string, string | undefined>>): NamedPlane => {
  const missing = required.filter((name) => !all[name])
  if (missing.length > 0) throw new Error(`--tasker real-plane: ${missing.join(", ")} is not set`)
  const [url = "", apiKey = "", workspace = ""] = required.map((name) => all[name])
  return {
    url: url.replace(/\/$/, ""),
    apiKey,
    workspace,
    requestsPerMinute: all.PLANE_REQUESTS_PER_MINUTE || "100000"
  }
}

/** The workspace that a run works in, and the projects that it has made there. */
export interface Workspace {
  // biome-ignore lint/suspicious/noExplicitAny: of whatever shape Plane answers
  readonly ask: (method: string, path: string, body?: unknown) => Promise<any>
  readonly root: string
  readonly projects: Array<Project>
}

const triesOfReads = 10

/** Sends a request as the key's user. Reads and deletions are repeated if Plane's server breaks the connection off. */
const askAs =
  ({ apiKey, url }: NamedPlane): Workspace["ask"] =>
  async (method, path, body) => {
    const send = sender(url)
    for (let left = method === "GET" || method === "DELETE" ? triesOfReads : 1; ; left--) {
      try {
        return await send(method, path, body, { "x-api-key": apiKey })
      } catch (error) {
        if (left <= 1 || !(error instanceof TypeError)) throw error
        await new Promise((wake) => setTimeout(wake, 500))
      }
    }
  }

const workspaceOf = (named: NamedPlane): Workspace => ({
  ask: askAs(named),
  root: `/api/v1/workspaces/${named.workspace}`,
  projects: []
})

const memberRole = 15

/** Makes a project of the run's own, so that neither states nor cards of others are in the way. */
const newProject = async (
  { ask, root }: Workspace,
  workspace: string,
  identifier: string
): Promise<Project> => {
  const me = await ask("GET", "/api/v1/users/me/")
  const { id } = await ask("POST", `${root}/projects/`, { name: `Torture ${identifier}`, identifier })
  const project = `${root}/projects/${id}`
  for (const name of numbered(40, "State")) {
    await ask("POST", `${project}/states/`, { name, color: "#3f76ff", group: "started" })
  }
  for (const name of numbered(10, "Label")) await ask("POST", `${project}/labels/`, { name })
  const people: ReadonlyArray<{ id: string; role: number }> = await ask("GET", `${root}/members/`)
  for (const person of people.filter(({ id, role }) => id !== me.id && role >= memberRole)) {
    await ask("POST", `${project}/members/`, { member: person.id, role: memberRole })
  }
  const states: ReadonlyArray<{ id: string; name: string; default: boolean }> = (
    await ask("GET", `${project}/states/?per_page=100`)
  ).results
  const members: ReadonlyArray<{ id: string; display_name: string }> = await ask("GET", `${project}/members/`)
  const card = await ask("POST", `${project}/issues/`, { name: "Somebody else's card" })
  const comment = await ask("POST", `${project}/issues/${card.id}/comments/`, {
    comment_html: "<p>Somebody else's comment</p>"
  })
  return {
    id,
    workspace,
    states: states.toSorted((one, other) => Number(other.default) - Number(one.default)),
    labels: (await ask("GET", `${project}/labels/?per_page=100`)).results,
    members: members.map((member) => ({ id: member.id, name: member.display_name })),
    foreign: { issue: card.id, comment: comment.id }
  }
}

const apiIn = (place: Workspace, slug: string, proxyUrl: string): Api => {
  const { ask, projects, root } = place
  const proxy = sender(proxyUrl)
  const run = Date.now().toString(36).toUpperCase()
  return {
    owner: async () => {
      const { email, id } = await ask("GET", "/api/v1/users/me/")
      return { id, email }
    },
    project: async (at) => {
      const made = await newProject(place, slug, `T${run}${at}`)
      projects.push(made)
      return made
    },
    misbehave: async ({ faults, switches }) => {
      await proxy("DELETE", "/control/faults/queue")
      await Promise.all(faults.map((fault) => proxy("POST", "/control/faults", fault)))
      if (Object.keys(switches).length > 0) await proxy("PUT", "/control/switches", switches)
    },
    // A card is found in its own project only.
    edit: (issue, priority) =>
      Promise.any(
        projects.map(({ id }) => ask("PATCH", `${root}/projects/${id}/issues/${issue}/`, { priority }))
      ),
    discard: async () => {
      const left: Array<string> = []
      for (const { id } of projects) {
        await ask("DELETE", `${root}/projects/${id}/`).catch((error) => left.push(`${id}: ${error}`))
      }
      return left.length === 0 ? undefined : `Projects of this run stay in Plane: ${left.join("; ")}`
    }
  }
}

const journalIn = ({ folder }: Pick<Place, "folder">) => join(folder, "proxy.ndjson")

export const realPlane = (named: NamedPlane): Counterpart => {
  const place = workspaceOf(named)
  return {
    kind: "real-plane",
    name: `the Plane at ${named.url}`,
    script: "test/torture/proxy/main.ts",
    environment: ({ folder, port }) => ({
      PROXY_PORT: String(port),
      PROXY_PLANE_URL: named.url,
      PROXY_JOURNAL: journalIn({ folder })
    }),
    leftOut: [
      "tasker.kill and tasker.stop end the proxy before Plane, not Plane",
      "broker_lost is the proxy's: Plane does the write and runs its tasks, and the proxy answers 500",
      "cut_between and drop are the proxy's: it takes labels, assignees (and the state) out of the request",
      "no gap between Plane's look for an external id and its insert: a straggler goes together with its resend"
    ],
    gateway: (url) => ({
      TASKER_KIND: "plane",
      PLANE_BASE_URL: url,
      PLANE_API_KEYS: named.apiKey,
      PLANE_REQUESTS_PER_MINUTE: named.requestsPerMinute
    }),
    workersEach: 1,
    grantDays: 7,
    repeatsChanges: true,
    writeOps: ["create", "update", "comment"],
    ownAnswers: ["cut_between"],
    brokerLost: { broker_out: true, broker_ms: brokerDelay },
    lacks: {},
    straggler: { switches: { with_resend: true }, early: 0 },
    api: (proxyUrl) => apiIn(place, named.workspace, proxyUrl),
    writeOf,
    effectsOf,
    records: async ({ folder }, only) =>
      recordsOf(readJournal(journalIn({ folder })), await readBoard(place, only))
  }
}
