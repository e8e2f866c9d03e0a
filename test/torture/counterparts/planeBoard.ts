import type { Shown } from "../proxy/Journal.ts"
import type { Workspace } from "./realPlane.ts"

/** What a real Plane shows of the run's projects, read through REST v1. */
export interface Board {
  readonly cards: ReadonlyArray<BoardCard>
  readonly comments: ReadonlyArray<BoardComment>
  /** Changes that Plane's background tasks have noted down. */
  readonly activities: ReadonlyArray<Activity>
}

interface Made {
  readonly id: string
  readonly created_at: string
  readonly external_id: string | null
}

export interface BoardCard extends Made, Shown {
  /** True if the run's seeding made it. */
  readonly isForeign: boolean
}

export interface BoardComment extends Made {
  readonly issue: string
  readonly isForeign: boolean
}

export interface Activity {
  readonly issue: string
  readonly created_at: string
  readonly field: string | null
  readonly new_value: string | null
  readonly new_identifier: string | null
}

const pageSize = 500
/** As many requests at once as a small Plane has workers. */
const atOnce = 4

/** Reads cards of all projects, and comments and activities of these cards, or of all. */
export const readBoard = async (
  { ask, projects, root }: Workspace,
  only?: ReadonlySet<string>
): Promise<Board> => {
  const pages = async <Row>(path: string): Promise<ReadonlyArray<Row>> => {
    const rows: Array<Row> = []
    for (let cursor: string | undefined = `${pageSize}:0:0`; cursor !== undefined; ) {
      const page = await ask(
        "GET",
        `${root}${path}${path.includes("?") ? "&" : "?"}per_page=${pageSize}&cursor=${cursor}`
      )
      rows.push(...page.results)
      cursor = page.next_page_results ? page.next_cursor : undefined
    }
    return rows
  }
  const cards: Array<BoardCard & { readonly project: string }> = []
  for (const { foreign, id } of projects) {
    const fields = "id,created_at,external_id,name,state,labels,assignees"
    const found = await pages<BoardCard>(`/projects/${id}/issues/?order_by=created_at&fields=${fields}`)
    cards.push(...found.map((card) => ({ ...card, project: id, isForeign: card.id === foreign.issue })))
  }
  const comments: Array<BoardComment> = []
  const activities: Array<Activity> = []
  const foreign = new Set(projects.map((project) => project.foreign.comment))
  const left = cards.filter(({ id }) => only === undefined || only.has(id))
  const read = async () => {
    for (let card = left.pop(); card !== undefined; card = left.pop()) {
      const { id, project } = card
      const at = `/projects/${project}/issues/${id}`
      const said = await pages<BoardComment>(`${at}/comments/`)
      comments.push(
        ...said.map((comment) => ({
          id: comment.id,
          created_at: comment.created_at,
          external_id: comment.external_id,
          issue: id,
          isForeign: foreign.has(comment.id)
        }))
      )
      const noted = await pages<Activity>(`${at}/activities/`)
      activities.push(
        ...noted.map(({ created_at, field, new_identifier, new_value }) => ({
          issue: id,
          created_at,
          field,
          new_value,
          new_identifier
        }))
      )
    }
  }
  await Promise.all(Array.from({ length: atOnce }, read))
  return { cards, comments, activities }
}
