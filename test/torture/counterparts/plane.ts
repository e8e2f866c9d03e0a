import * as Effects from "../Effects.ts"
import { brokerDelay } from "../HoldUps.ts"
import type { Heard } from "../Wire.ts"
import {
  type Api,
  type Counterpart,
  numbered,
  owner,
  type Project,
  sender,
  type Written
} from "./Counterpart.ts"
import { recordsIn } from "./database.ts"
import { markAfter } from "./nodedc.ts"

/** The reference Plane, which has REST v1. */

const apiKey = "plane_api_torture"
const workspace = "torture"

/** The most that the gateway can be told. */
const anyNumber = 1_000_000

const memberMail = /^member\d+@/

const api = (url: string): Api => {
  const send = sender(url)
  return {
    owner: async () => owner,
    project: async (at) => {
      const seeded = await send("POST", "/control/projects", {
        workspace_slug: workspace,
        name: `Project ${at}`,
        identifier: `TOR${at}`,
        states: numbered(40, "State").map((name) => ({ name, group: "started" })),
        labels: numbered(10, "Label").map((name) => ({ name })),
        members: [
          { email: owner.email, display_name: "Olga Owner", role: 20 },
          ...numbered(10, "Member").map((display_name, position) => ({
            display_name,
            email: `member${position + 1}@example.test`,
            role: 15
          }))
        ],
        default_assignee: owner.email
      })
      const id: string = seeded.project.id
      const headers = { "x-api-key": apiKey }
      const cards = `/api/v1/workspaces/${workspace}/projects/${id}/issues/`
      const card = await send("POST", cards, { name: "Somebody else's card" }, headers)
      const comment = await send(
        "POST",
        `${cards}${card.id}/comments/`,
        { comment_html: "<p>Somebody else's comment</p>" },
        headers
      )
      return {
        id,
        workspace,
        states: seeded.states,
        labels: seeded.labels,
        members: seeded.members
          .filter(({ email }: { email: string }) => memberMail.test(email))
          .map((member: { id: string; display_name: string }) => ({
            id: member.id,
            name: member.display_name
          })),
        foreign: { issue: card.id, comment: comment.id }
      } satisfies Project
    },
    misbehave: async ({ faults, switches }) => {
      // The requests of the last minute stay counted.
      await send("DELETE", "/control/faults/queue")
      await Promise.all(faults.map((fault) => send("POST", "/control/faults", fault)))
      if (Object.keys(switches).length > 0) await send("PUT", "/control/switches", switches)
    },
    edit: (issue, priority) => send("PATCH", `/control/issues/${issue}`, { priority }),
    discard: async () => undefined
  }
}

const paths: ReadonlyArray<readonly [RegExp, string]> = [
  [/^POST \/(?:issues|work-items)\/$/, "create"],
  [/^PATCH \/(?:issues|work-items)\/([^/]+)\/$/, "update"],
  [/^POST \/(?:issues|work-items)\/([^/]+)\/comments\/$/, "comment"]
]

/** The write that a request of REST v1 asks for; undefined if it asks for none. */
export const writeOf = ({ body, method, path }: Heard): Written | undefined => {
  const [, call = ""] = /\/projects\/[^/]+(\/[^?]*)/.exec(path) ?? []
  for (const [pattern, op] of paths) {
    const found = pattern.exec(`${method} ${call}`)
    if (found !== null) return { op, issue_id: found[1] ?? "", body }
  }
  return undefined
}

/** A change is one PATCH, of whatever it holds. */
export const effectsOf = ({ body, issue_id, op }: Written): ReadonlyArray<string> => {
  const mark = (name: string) => Effects.markIn(String(body[name] ?? "")) ?? "?"
  const ids = (name: string) => body[name] as ReadonlyArray<string>
  switch (op) {
    case "create":
      return [Effects.created(mark("description_html"))]
    case "comment":
      return [Effects.commented(mark("comment_html"))]
    case "update":
      return [
        ...(body.name === undefined ? [] : [Effects.updated(issue_id, mark("name"))]),
        ...(body.state === undefined ? [] : [Effects.moved(issue_id, String(body.state))]),
        ...(body.labels === undefined ? [] : [Effects.labelled(issue_id, ids("labels"))]),
        ...(body.assignees === undefined ? [] : [Effects.assigned(issue_id, ids("assignees"))])
      ]
    default:
      return [`${op} ${issue_id}`]
  }
}

/** `limit`: requests a minute and key, 0 for none. */
export const plane = (limit: number): Counterpart => ({
  kind: "plane",
  name: `plane, ${limit === 0 ? "no limit" : `${limit} requests a minute`}`,
  script: "test/plane/main.ts",
  environment: ({ databaseUrl, port }) => ({
    PLANE_PORT: String(port),
    PLANE_DATABASE_URL: databaseUrl,
    PLANE_API_KEY: apiKey,
    PLANE_RATE_LIMIT: String(limit)
  }),
  leftOut: [],
  gateway: (url) => ({
    TASKER_KIND: "plane",
    PLANE_BASE_URL: url,
    PLANE_API_KEYS: apiKey,
    PLANE_REQUESTS_PER_MINUTE: String(limit === 0 ? anyNumber : limit)
  }),
  workersEach: 3,
  grantDays: 7,
  repeatsChanges: true,
  writeOps: ["create", "update", "comment"],
  ownAnswers: ["cut_between"],
  brokerLost: { broker_out: true, broker_ms: brokerDelay },
  lacks: {},
  // It looks for the external id, and inserts so much later: beside it the resend finds nothing either.
  straggler: { switches: { gap_ms: 3000 }, early: 1500 },
  api,
  writeOf,
  effectsOf,
  records: recordsIn(effectsOf, {
    writes: `
      select n, null::text as agent_id, op, issue_id::text, comment_id::text, body, whole,
        (extract(epoch from at) * 1000)::float8 as at
      from plane.writes
      where body ->> 'external_id' is not null or op not in ('create', 'comment') order by n`,
    cards: `
      select substring(description_html from 'tm[0-9a-z]{6}') as mark, count(*)::integer as times
      from plane.issues where deleted_at is null and description_html ~ '${markAfter("Made as")}' group by 1`,
    comments: `
      select substring(comment_html from 'tm[0-9a-z]{6}') as mark, count(*)::integer as times
      from plane.comments where comment_html ~ 'tm[0-9a-z]{6}' group by 1`
  })
})
