import { Effect } from "effect"
import { compareInstants } from "../domain/Instant.ts"
import type { Page } from "../domain/Tasker.ts"
import { type ListCursor, type Order, rememberedPages } from "./listCursor.ts"

/** Pages of Tasker's in their places, and where in them a list goes on. */

export interface Item {
  readonly id: string
  readonly created_at: string
}

/** Null for the first page. */
export type TaskerCursor = string | null

export interface Placed<P> {
  readonly cursor: TaskerCursor
  /** The pages before it, nearest first, as far as they are remembered. */
  readonly earlier: ReadonlyArray<TaskerCursor>
  readonly page: P
}

export type Border = ListCursor["border"]

/** The pages that a cursor goes on from, in the order of the list. */
export const resume = Effect.fnUntraced(function* <P extends Page<Item>, E>(
  from: ListCursor,
  read: (cursor: TaskerCursor) => Effect.Effect<P, E>,
  assumed: Order
): Effect.fn.Return<ReadonlyArray<Placed<P>>, E> {
  const { border, earlier, next, page } = from
  const place = (cursor: TaskerCursor, before: ReadonlyArray<TaskerCursor>) =>
    Effect.map(read(cursor), (read): Placed<P> => ({ cursor, earlier: before, page: read }))
  // The later page first: an item that a deletion moves to the earlier page between the reads is in both.
  const after = next === undefined ? [] : [yield* place(next, [page, ...earlier].slice(0, rememberedPages))]
  if (border === undefined && after.length > 0) return after
  let pages = [yield* place(page, earlier), ...after]
  while (
    border !== undefined &&
    !pages.some((one) => holds(one, border)) &&
    !beginsBefore(pages, border, orderOf(pages, from.order) ?? assumed)
  ) {
    const [nearest, ...rest] = pages[0]?.earlier ?? []
    if (nearest === undefined) break
    pages = [yield* place(nearest, rest), ...pages]
  }
  return pages
})

/** The page after the last one; undefined if there is none, or if Tasker's cursors go round in a circle. */
export const following = <P extends Page<Item>>(
  pages: ReadonlyArray<Placed<P>>
): Omit<Placed<P>, "page"> | undefined => {
  const last = pages.at(-1)
  const cursor = last?.page.next_cursor ?? null
  return last === undefined || cursor === null || isCircular(pages)
    ? undefined
    : { cursor, earlier: [last.cursor, ...last.earlier].slice(0, rememberedPages) }
}

export const isCircular = (pages: ReadonlyArray<Placed<Page<Item>>>): boolean => {
  const next = pages.at(-1)?.page.next_cursor
  return next != null && pages.some(({ cursor }) => cursor === next)
}

export const holds = ({ page }: Placed<Page<Item>>, border: NonNullable<Border>): boolean =>
  page.results.some(({ id }) => id === border[0])

/** The order that the pages show; undefined if all their items have one `created_at`. */
export const orderOf = (
  pages: ReadonlyArray<Placed<Page<Item>>>,
  known: Order | undefined
): Order | undefined => {
  let order = known
  for (const { page } of pages) {
    for (const [index, item] of page.results.entries()) {
      const difference = compareInstants(page.results[index - 1]?.created_at ?? "", item.created_at)
      if (difference === 0) continue
      const shown = difference > 0 ? "newest" : "oldest"
      if (order !== undefined && order !== shown) return "mixed"
      order = shown
    }
  }
  return order
}

/** True if the item certainly stands before the border. */
export const isBefore = (item: Item, [, created_at]: NonNullable<Border>, order: Order): boolean => {
  const difference = compareInstants(item.created_at, created_at)
  return (order === "newest" && difference > 0) || (order === "oldest" && difference < 0)
}

/** True if nothing after the border can stand before these pages. */
export const beginsBefore = (
  pages: ReadonlyArray<Placed<Page<Item>>>,
  border: NonNullable<Border>,
  order: Order
): boolean => {
  const [first] = pages
  const item = first?.page.results[0]
  return first?.cursor === null || (item !== undefined && isBefore(item, border, order))
}

/** True if an item stands nearer to the front than it did: something before it was deleted. */
export const hasShifted = (before: Page<Item>, now: Page<Item>): boolean => {
  const places = new Map(before.results.map(({ id }, index) => [id, index]))
  return now.results.some(({ id }, index) => index < (places.get(id) ?? 0))
}
