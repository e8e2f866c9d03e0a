import * as Effects from "../Effects.ts"
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

/** The reference Tasker, which has the internal API. */

const accessToken = "torture-access-token"
const basePath = "/api/internal/nodedc/agent"

/** Speaks for the seeding; no agent of the gateway. */
const seeder = "00000000-0000-4000-8000-000000000001"

const api = (url: string): Api => {
  const send = sender(url)
  return {
    owner: async () => owner,
    project: async (at) => {
      const seeded = await send("POST", "/control/projects", {
        workspace_slug: "torture",
        name: `Project ${at}`,
        identifier: `TOR${at}`,
        states: numbered(40, "State").map((name, position) => ({
          name,
          group: "started",
          default: position === 0
        })),
        labels: numbered(10, "Label").map((name) => ({ name })),
        members: [
          { ...owner, display_name: "Olga Owner", role: 20 },
          ...numbered(10, "Member").map((display_name, position) => ({
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
        `${basePath}/issues`,
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
          .filter((member: { id: string }) => member.id.startsWith("member-"))
          .map((member: { id: string; display_name: string }) => ({
            id: member.id,
            name: member.display_name
          })),
        foreign: { issue: made.issue.id, comment: comment.id }
      } satisfies Project
    },
    misbehave: async ({ faults, switches }) => {
      await send("DELETE", "/control/faults")
      await Promise.all(faults.map((fault) => send("POST", "/control/faults", fault)))
      if (Object.keys(switches).length > 0) await send("PUT", "/control/switches", switches)
    },
    edit: (issue, priority) => send("PATCH", `/control/issues/${issue}`, { priority }),
    discard: async () => undefined
  }
}

const paths: ReadonlyArray<readonly [RegExp, string]> = [
  [/^POST \/issues$/, "create"],
  [/^PATCH \/issues\/([^/]+)$/, "update"],
  [/^POST \/issues\/([^/]+)\/move$/, "move"],
  [/^POST \/issues\/([^/]+)\/comments$/, "comment"],
  [/^PUT \/issues\/([^/]+)\/labels$/, "labels"],
  [/^PUT \/issues\/([^/]+)\/assignees$/, "assignees"]
]

const effectOf = ({ body, issue_id, op }: Written): string => {
  const mark = (name: string) => Effects.markIn(String(body[name] ?? "")) ?? "?"
  switch (op) {
    case "create":
      return Effects.created(mark("description_html"))
    case "comment":
      return Effects.commented(mark("comment_html"))
    case "update":
      return Effects.updated(issue_id, mark("name"))
    case "move":
      return Effects.moved(issue_id, String(body.state_id))
    case "labels":
      return Effects.labelled(issue_id, body.label_ids as ReadonlyArray<string>)
    case "assignees":
      return Effects.assigned(issue_id, body.assignee_ids as ReadonlyArray<string>)
    default:
      return `${op} ${issue_id}`
  }
}

const effectsOf = (write: Written): ReadonlyArray<string> => [effectOf(write)]

/** A text that begins with these words, before whatever elements the mark stands in. */
export const markAfter = (words: string) => `${words}(<[^>]*>|\\s)*tm[0-9a-z]{6}`

export const nodedc = (profile: string): Counterpart => ({
  kind: "nodedc",
  name: `nodedc, ${profile}`,
  script: "test/tasker/main.ts",
  environment: ({ databaseUrl, port }) => ({
    TASKER_PORT: String(port),
    TASKER_DATABASE_URL: databaseUrl,
    TASKER_ACCESS_TOKEN: accessToken,
    TASKER_PROFILE: profile
  }),
  leftOut: [],
  gateway: (url) => ({ NODEDC_TASKER_INTERNAL_URL: url, NODEDC_INTERNAL_ACCESS_TOKEN: accessToken }),
  workersEach: 3,
  grantDays: undefined,
  repeatsChanges: profile !== "strict",
  writeOps: ["create", "update", "move", "labels", "assignees", "comment"],
  ownAnswers: [],
  brokerLost: undefined,
  lacks: { dedupe_key: { dedupe_key: false }, no_comments_listing: { no_comments_listing: true } },
  straggler: { switches: { dedupe_key: false, dedupe_external: false }, early: 0 },
  api,
  writeOf: ({ body, method, path }) => {
    const [call = ""] = path.slice(path.indexOf(basePath) + basePath.length).split("?")
    for (const [pattern, op] of paths) {
      const found = pattern.exec(`${method} ${call}`)
      if (found !== null) return { op, issue_id: found[1] ?? "", body }
    }
    return undefined
  },
  effectsOf,
  records: recordsIn(effectsOf, {
    writes: `
      select n, agent_id::text, op, issue_id::text, comment_id::text, body,
        (extract(epoch from at) * 1000)::float8 as at
      from tasker.writes order by n`,
    cards: `
      select substring(description_html from 'tm[0-9a-z]{6}') as mark, count(*)::integer as times
      from tasker.issues where description_html ~ '${markAfter("Made as")}' group by 1`,
    comments: `
      select substring(comment_html from 'tm[0-9a-z]{6}') as mark, count(*)::integer as times
      from tasker.comments where comment_html ~ 'tm[0-9a-z]{6}' group by 1`
  })
})
