import { Effect, Schema } from "effect"
import { Label, Member, Project, State } from "../domain/Issue.ts"
import { plain } from "./present.ts"
import { countFitting } from "./size.ts"
import { readTool } from "./Tool.ts"

export const getProjectContext = readTool({
  name: "tasker_get_project_context",
  title: "States, labels and members",
  description:
    "Lists a project's states, labels and members: what cards can be moved to, labelled with and assigned to.",
  scope: "project:read",
  input: {},
  output: {
    project: Project,
    states: Schema.Array(State),
    labels: Schema.Array(Label),
    members: Schema.Array(Member),
    truncated: Schema.optionalKey(Schema.Literal(true))
  },
  run: Effect.fnUntraced(function* (_, board) {
    const { project, states, labels, members } = yield* board.context
    const whole = {
      project: { ...project, name: plain(project.name) },
      states: states.map(({ id, name, group }) => ({ id, name: plain(name), group })),
      labels: labels.map(({ id, name }) => ({ id, name: plain(name) })),
      members: members.map(({ id, display_name, email, role }) => ({
        id,
        display_name: plain(display_name),
        email: email ?? null,
        role: role ?? null
      }))
    }
    const first = (count: number) => ({
      ...whole,
      labels: whole.labels.slice(0, count),
      members: whole.members.slice(0, count)
    })
    // Names that are not listed are found all the same: they are resolved against the whole project.
    const longest = Math.max(whole.labels.length, whole.members.length)
    const count = yield* countFitting(board.texts, Array.from({ length: longest }), (items) =>
      first(items.length)
    )
    return count === longest ? whole : { ...first(count), truncated: true as const }
  })
})
