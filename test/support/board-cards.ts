import { randomBytes, randomUUID } from "node:crypto"
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
