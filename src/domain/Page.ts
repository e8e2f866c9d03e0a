/** Which page of a list of ours is wanted. */
export interface PageRequest {
  readonly limit: number
  /** A page's `next_cursor`. */
  readonly cursor: string | undefined
}

/** A page of a list of ours; Tasker's own are in `Tasker.ts`. */
export interface Page<A> {
  readonly items: ReadonlyArray<A>
  /** Null at the end. */
  readonly next_cursor: string | null
}
