import { randomBytes, randomUUID } from "node:crypto"
import type * as PgClient from "@effect/sql-pg/PgClient"
import { Effect } from "effect"
import { owner, type SeededProject, type TaskerControl } from "./tasker.ts"

/** A person's hand on a board: cards and comments that come and go beside the gateway. */

const agentId = randomUUID()

/** Makes a card through Tasker's own API. Returns its id. */
export const addCard = (
  tasker: TaskerControl,
  { project }: SeededProject,
  card: { readonly name: string; readonly description_html?: string; readonly state_id?: string }
): Effect.Effect<string> =>
  Effect.promise(async () => {
    const response = await fetch(`${tasker.url}/api/internal/nodedc/agent/issues`, {
      method: "POST",
      headers: {
        authorization: `Bearer ${tasker.accessToken}`,
        "content-type": "application/json",
        "idempotency-key": randomBytes(32).toString("hex"),
        "x-nodedc-agent-id": agentId,
        "x-nodedc-owner-id": owner.id
      },
      body: JSON.stringify({
        project_id: project.id,
        actor: {
          agent_id: agentId,
          agent_display_name: "Person",
          owner_user_id: owner.id,
          owner_email: owner.email
        },
        ...card
      })
    })
    const { issue } = (await response.json()) as { issue: { id: string } }
    return issue.id
  })

export const addCards = (tasker: TaskerControl, project: SeededProject, names: ReadonlyArray<string>) =>
  Effect.forEach(names, (name) => addCard(tasker, project, { name }))

export const editCard = (tasker: TaskerControl, id: string) =>
  tasker.send("PATCH", `/issues/${id}`, { description_html: `<p>Edited ${randomUUID()}</p>` })

export const deleteCard = (tasker: TaskerControl, id: string) => tasker.send("DELETE", `/issues/${id}`)

/** Puts many older cards into Tasker's tables, each with a text of so many characters. */
export const oldCards = (
  database: PgClient.PgClient,
  { project, states }: SeededProject,
  count: number,
  characters: number
) =>
  database`
    insert into tasker.issues (project_id, sequence_id, name, name_folded, description_html, priority, state_id,
      label_ids, assignee_ids, created_at, updated_at)
    select ${project.id}::uuid, 100000 + n, 'Older card ' || n, 'older card ' || n,
      '<p>' || repeat('Text ', ${Math.ceil(characters / 5)}::int) || '</p>', 'none', ${states[0]?.id ?? ""}::uuid,
      '{}', '{}', moment, moment
    from generate_series(1, ${count}::int) as n,
      lateral (select timestamptz '2020-01-01' - n * interval '1 second' as moment) as made`
