import { Effect, Schema } from "effect"
import { Label, Member, Project, State } from "../domain/Issue.ts"
import { stripInvisible } from "../domain/PlainText.ts"
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
    members: Schema.Array(Member)
  },
  run: Effect.fnUntraced(function* (_, board) {
    const { project, states, labels, members } = yield* board.tasker.projectContext(
      board.who,
      board.projectId
    )
    return {
      project: { ...project, name: stripInvisible(project.name) },
      states: states.map(({ id, name, group }) => ({ id, name: stripInvisible(name), group })),
      labels: labels.map(({ id, name }) => ({ id, name: stripInvisible(name) })),
      members: members.map(({ id, display_name, email, role }) => ({
        id,
        display_name: stripInvisible(display_name),
        email: email ?? null,
        role
      }))
    }
  })
})
