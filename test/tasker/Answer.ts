/**
 * What a call is answered with. The body is kept as text: the repeat of a write gets the first
 * answer to the byte.
 */
export interface Answer {
  readonly status: number
  readonly body: string
}

export const answer = (status: number, value: unknown): Answer => ({ status, body: JSON.stringify(value) })
