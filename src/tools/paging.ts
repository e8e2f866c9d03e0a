import { Effect } from "effect"
import type { InputInvalid } from "../domain/Failure.ts"
import type { Page } from "../domain/Tasker.ts"
import type { TaskerError } from "../services/TaskerAdapter.ts"
import {
  borderAt,
  checkTaskerCursor,
  decodeCursor,
  encodeCursor,
  foreignCursor,
  type ListCursor,
  type Order
} from "./listCursor.ts"
import * as Pages from "./pages.ts"

/**
 * Reads a list of Tasker's so that no item which exists throughout is left out, however few of them fit into
 * one response.
 *
 * Tasker may cut its pages by number: they shift when an item is added or deleted. A list therefore goes on
 * from an item, the border, and reads the page that held it again, under the limit of the first call.
 */

/** Pages that one call reads ahead, and items that it looks at, in search of items that pass the filters. */
const mostPages = 10
const mostLookedAt = 1000

/** One item a page would not show the order of a list. */
const leastLimit = 2
const defaultLimit = 20

/** Items that are judged without letting other fibers run. */
const judgedAtOnce = 100

/** A page of Tasker's, perhaps with the length of its whole list. */
interface Listed extends Page<Pages.Item> {
  readonly listed_count?: number | null
}

type ItemOf<P extends Listed> = P["results"][number]

export interface Source<P extends Listed> {
  /** Fingerprint of the list. */
  readonly list: string
  readonly read: (page: { readonly cursor?: string; readonly limit: number }) => Effect.Effect<P, TaskerError>
  /** True if the item passes the filters of the list. */
  readonly keeps: (item: ItemOf<P>) => boolean
  /** Taken for the list's order if its pages show none. */
  readonly order: Order
  /** Tasker's limit; left out: the caller's. */
  readonly fetched?: number
}

export interface Reading<P extends Listed> {
  /** Items that pass the filters, in Tasker's order, at most as many as were asked for. */
  readonly items: ReadonlyArray<ItemOf<P>>
  /** The page that was read last. */
  readonly latest: P | undefined
  /** True if `items` is the whole list. */
  readonly complete: boolean
  /** Fields of the answer beside the first `count` items. */
  readonly upTo: (count: number) => Continuation
}

export interface Continuation {
  readonly next_cursor: string | null
  /** Items that were looked at, if that is more than are shown. */
  readonly scanned?: number
  /** Items may be missing: Tasker's list changed so much that the border was not found again. */
  readonly truncated?: true
}

export const readList = Effect.fnUntraced(function* <P extends Listed>(
  source: Source<P>,
  asked: { readonly cursor?: string; readonly limit?: number }
): Effect.fn.Return<Reading<P>, TaskerError | InputInvalid> {
  const from = yield* decodeCursor(asked.cursor, source.list)
  const wanted = asked.limit ?? defaultLimit
  const limit = from?.limit ?? Math.max(leastLimit, source.fetched ?? wanted)
  const kept = new Map<string, boolean>()
  const read = Effect.fnUntraced(function* (cursor: Pages.TaskerCursor) {
    const page = yield* readPage(source, cursor, limit)
    yield* checkTaskerCursor(page.next_cursor)
    for (const [index, item] of page.results.entries()) {
      if (index % judgedAtOnce === judgedAtOnce - 1) yield* Effect.yieldNow
      kept.set(item.id, source.keeps(item))
    }
    return page
  })
  const start: ReadonlyArray<Pages.Placed<P>> =
    from === undefined
      ? [{ cursor: null, earlier: [], page: yield* read(null) }]
      : yield* Pages.resume(from, read, source.order)
  const look = (pages: ReadonlyArray<Pages.Placed<P>>) =>
    lookThrough<P>(pages, from, source.order, kept, wanted)

  let pages = start
  let view = look(pages)
  for (let next = Pages.following(pages); next !== undefined && goesOn(view); next = Pages.following(pages)) {
    if (pages.length - start.length === mostPages) break
    const page = yield* read(next.cursor)
    const last = pages.at(-1)
    // An item that moved to the page before it after that was read is read by the next call.
    if (last !== undefined && (yield* mayHaveShifted(last, page, read))) break
    pages = [...pages, { ...next, page }]
    view = look(pages)
  }
  return conclude(view, pages, from, { limit, list: source.list, assumed: source.order })
})

/** True if something was deleted between the reading of a page and of the next one. */
const mayHaveShifted = <P extends Listed, E>(
  { cursor, page }: Pages.Placed<P>,
  next: P,
  read: (cursor: Pages.TaskerCursor) => Effect.Effect<P, E>
): Effect.Effect<boolean, E> =>
  page.listed_count != null && next.listed_count != null
    ? Effect.succeed(next.listed_count < page.listed_count)
    : Effect.map(read(cursor), (now) => Pages.hasShifted(page, now))

/** A Tasker that refuses its own cursor was sent one that a client made up, or has forgotten it. */
const readPage = <P extends Listed>(
  source: Source<P>,
  cursor: Pages.TaskerCursor,
  limit: number
): Effect.Effect<P, TaskerError | InputInvalid> =>
  cursor === null
    ? source.read({ limit })
    : Effect.catchIf(
        source.read({ limit, cursor }),
        (failure) => failure.reason === "rejected",
        () => Effect.fail(foreignCursor("Tasker does not accept this cursor."))
      )

interface LookedAt<P extends Listed> {
  readonly item: ItemOf<P>
  readonly at: Pages.Placed<P>
}

interface View<P extends Listed> {
  readonly looked: ReadonlyArray<LookedAt<P>>
  readonly items: ReadonlyArray<ItemOf<P>>
  /** True if no item of the pages was left because enough were found. */
  readonly through: boolean
  /** True if the border is on none of the pages. */
  readonly lost: boolean
}

/** Looks through pages from the border on, until enough items are found. */
const lookThrough = <P extends Listed>(
  pages: ReadonlyArray<Pages.Placed<P>>,
  from: ListCursor | undefined,
  assumed: Order,
  kept: ReadonlyMap<string, boolean>,
  wanted: number
): View<P> => {
  const border = from?.border
  const order = Pages.orderOf(pages, from?.order) ?? assumed
  const first = border === undefined ? -1 : pages.findLastIndex((one) => Pages.holds(one, border))
  const lost = border !== undefined && first < 0
  const seen = new Set<string>()
  const looked: Array<LookedAt<P>> = []
  const items: Array<ItemOf<P>> = []
  for (const [index, at] of pages.slice(Math.max(first, 0)).entries()) {
    const after = index === 0 && first >= 0 ? at.page.results.findIndex(({ id }) => id === border?.[0]) : -1
    for (const item of at.page.results.slice(after + 1)) {
      if (seen.has(item.id) || (lost && Pages.isBefore(item, border, order))) continue
      if (items.length === wanted) return { looked, items, lost, through: false }
      seen.add(item.id)
      if (kept.get(item.id) === true) items.push(item)
      looked.push({ item, at })
    }
  }
  return { looked, items, lost, through: true }
}

/** True if another page is worth reading: none was found yet, or Tasker does not apply the filters itself. */
const goesOn = ({ items, looked, through }: View<Listed>): boolean =>
  through && looked.length < mostLookedAt && (items.length === 0 || items.length < looked.length)

const conclude = <P extends Listed>(
  { items, looked, lost, through }: View<P>,
  pages: ReadonlyArray<Pages.Placed<P>>,
  from: ListCursor | undefined,
  list: { readonly list: string; readonly limit: number; readonly assumed: Order }
): Reading<P> => {
  const border = from?.border
  const shownOrder = Pages.orderOf(pages, from?.order)
  const order = shownOrder ?? list.assumed
  const ended = through && Pages.following(pages) === undefined
  const circular = Pages.isCircular(pages)
  const mayMiss =
    (circular && ended) ||
    (lost && border !== undefined && !Pages.beginsBefore(pages, border, order)) ||
    (ended && from !== undefined && order === "mixed")

  const cursorAfter = (last: LookedAt<P> | undefined): ListCursor => {
    const at = last?.at ?? pages.at(-1)
    const results = at?.page.results ?? []
    const next = last === undefined || results.at(-1)?.id === last.item.id ? at?.page.next_cursor : null
    const reached: Pages.Border = last === undefined ? border : borderAt(last.item)
    return {
      list: list.list,
      limit: list.limit,
      page: at?.cursor ?? null,
      earlier: at?.earlier ?? [],
      ...(next == null ? {} : { next }),
      ...(reached === undefined ? {} : { border: reached }),
      ...(shownOrder === undefined ? {} : { order: shownOrder })
    }
  }

  return {
    items,
    latest: pages.at(-1)?.page,
    complete: from === undefined && ended && !circular,
    upTo: (count) => {
      const cut = count < items.length
      const lastShown = cut ? looked.findIndex(({ item }) => item === items[count - 1]) : looked.length - 1
      const scanned = lastShown + 1
      return {
        next_cursor: ended && !cut ? null : encodeCursor(cursorAfter(looked[lastShown])),
        ...(scanned === Math.min(count, items.length) ? {} : { scanned }),
        ...(mayMiss ? { truncated: true as const } : {})
      }
    }
  }
}
