/**
 * By what a write is known in Tasker, so that the checker can say which write a row of Tasker's stands for
 * without knowing how the gateway names it there. Whoever writes sees to it that no two writes have the same:
 * a create, an update and a comment carry a mark in their text; a move, a set of labels and a set of
 * assignees are to a state or a set that this card never had before.
 */

export const markOf = (n: number): string => `tm${n.toString(36).padStart(6, "0")}`

/** In a create's or a comment's text and in an update's name. */
export const markIn = (text: string): string | undefined => /\btm[0-9a-z]{6}\b/.exec(text)?.[0]

export const created = (mark: string): string => `create ${mark}`
export const commented = (mark: string): string => `comment ${mark}`
export const updated = (issue: string, mark: string): string => `update ${issue} ${mark}`
export const moved = (issue: string, state: string): string => `move ${issue} ${state}`
export const labelled = (issue: string, labels: ReadonlyArray<string>): string =>
  `labels ${issue} ${labels.toSorted().join(",")}`
export const assigned = (issue: string, people: ReadonlyArray<string>): string =>
  `assignees ${issue} ${people.toSorted().join(",")}`
