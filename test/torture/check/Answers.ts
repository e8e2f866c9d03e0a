import { isDeepStrictEqual } from "node:util"

/** Compares the answers that clients were given. */

export const idIn = (answer: Readonly<Record<string, unknown>>): unknown => {
  const { comment, issue } = answer as { comment?: { id?: unknown }; issue?: { id?: unknown } }
  return comment?.id ?? issue?.id
}

/** The parts of an answer that stay as they were first given. */
export const settledIn = (answer: Readonly<Record<string, unknown>> | null | undefined): unknown => {
  if (answer === null || answer === undefined) return answer
  const { warnings: _, ...rest } = answer
  return rest
}

/** Whether two answers say the same where both say something: what is shown depends on the scopes of the moment. */
export const agree = (one: unknown, other: unknown): boolean => {
  if (!isObject(one) || !isObject(other)) return isDeepStrictEqual(one, other)
  return Object.keys(one).every(
    (name) => name === "replayed" || !(name in other) || agree(one[name], other[name])
  )
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
