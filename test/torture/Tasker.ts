import type { WrongAnswer } from "./Plan.ts"

/** A project of the reference Tasker, with more states, labels and members than one card can use up. */
export interface Project {
  readonly id: string
  readonly workspace: string
  readonly states: ReadonlyArray<Named>
  readonly labels: ReadonlyArray<Named>
  readonly members: ReadonlyArray<Named>
  /** A card and a comment that no agent of the run has made. */
  readonly foreign: { readonly issue: string; readonly comment: string }
}

export interface Named {
  readonly id: string
  readonly name: string
}

export const owner = { id: "owner-1", email: "owner@example.test" }

/** Who the seeding speaks for; no agent of the gateway. */
const seeder = "00000000-0000-4000-8000-000000000001"

const states = 40
const labels = 10
const members = 10

const numbered = (count: number, name: string) =>
  Array.from({ length: count }, (_, at) => `${name} ${at + 1}`)

/** What the run says to the reference Tasker beside the gateway, over its control API. */
export const taskerAt = (url: string, accessToken: string) => {
  const send = async (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) => {
    const response = await fetch(url + path, {
      method,
      headers: { ...headers, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
    const text = await response.text()
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
    // biome-ignore lint/suspicious/noExplicitAny: of whatever shape the reference Tasker answers
    return (text === "" ? undefined : JSON.parse(text)) as any
  }

  const project = async (at: number): Promise<Project> => {
    const seeded = await send("POST", "/control/projects", {
      workspace_slug: "torture",
      name: `Project ${at}`,
      identifier: `TOR${at}`,
      states: numbered(states, "State").map((name, position) => ({
        name,
        group: "started",
        default: position === 0
      })),
      labels: numbered(labels, "Label").map((name) => ({ name })),
      members: [
        { ...owner, display_name: "Olga Owner", role: 20 },
        ...numbered(members, "Member").map((display_name, position) => ({
          id: `member-${position + 1}`,
          display_name,
          email: `member${position + 1}@example.test`,
          role: 15
        }))
      ]
    })
    const id: string = seeded.project.id
    const made = await send(
      "POST",
      "/api/internal/nodedc/agent/issues",
      {
        project_id: id,
        name: "Somebody else's card",
        actor: {
          agent_id: seeder,
          agent_display_name: "Seeder",
          owner_user_id: owner.id,
          owner_email: owner.email
        }
      },
      {
        authorization: `Bearer ${accessToken}`,
        "x-nodedc-agent-id": seeder,
        "x-nodedc-owner-id": owner.id,
        "idempotency-key": at.toString(16).padStart(64, "0")
      }
    )
    const { comment } = await send("POST", `/control/issues/${made.issue.id}/comments`, {
      author_id: owner.id,
      comment_html: "<p>Somebody else's comment</p>"
    })
    return {
      id,
      workspace: "torture",
      states: seeded.states,
      labels: seeded.labels,
      members: seeded.members
        .filter((member: { id: string }) => member.id !== owner.id)
        .map((member: { id: string; display_name: string }) => ({
          id: member.id,
          name: member.display_name
        })),
      foreign: { issue: made.issue.id, comment: comment.id }
    }
  }

  /** Everything that is wrong with it at this moment; what was wrong before is over. */
  const misbehave = async (
    faults: ReadonlyArray<{ readonly wrong: WrongAnswer; readonly every: number }>,
    lacks: ReadonlyArray<string>,
    projects: ReadonlyArray<Project>
  ): Promise<void> => {
    const queued = faults.flatMap(({ every, wrong }) =>
      opsStruckBy(wrong, lacks).map((op) => ({
        op,
        every,
        fault: wrong,
        delay_ms: delays[wrong] ?? 0,
        ...(wrong === "foreign"
          ? {
              names: Object.fromEntries(
                projects.map(({ foreign, id }) => [id, op === "comment" ? foreign.comment : foreign.issue])
              )
            }
          : {})
      }))
    )
    await send("DELETE", "/control/faults")
    await Promise.all(queued.map((fault) => send("POST", "/control/faults", fault)))
    const switches = {
      ...(lacks.includes("dedupe_key") ? { dedupe_key: false } : {}),
      ...(lacks.includes("no_comments_listing") ? { no_comments_listing: true } : {})
    }
    if (lacks.length > 0) await send("PUT", "/control/switches", switches)
  }

  return { project, misbehave }
}

/** The calls that change something: reads are made wrong by what happens to connections. */
const writes = ["create", "update", "move", "labels", "assignees", "comment"] as const

const opsStruckBy = (wrong: WrongAnswer, lacks: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (wrong === "drop") return ["create"]
  if (wrong !== "foreign") return writes
  // Of a Tasker that names a wrong comment and lists none, nobody could find out that it is wrong.
  return lacks.includes("no_comments_listing") ? ["create"] : ["create", "comment"]
}

/** Milliseconds; longer than the gateway waits for Tasker, so that it finds out by looking. */
const delays: Partial<Record<WrongAnswer, number>> = { delay: 1500, delay_after: 1500 }
