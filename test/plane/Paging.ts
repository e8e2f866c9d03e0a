import { Result } from "effect"
import { type Denial, detail, internal } from "./Denial.ts"
import type { Settings } from "./Settings.ts"

export interface Page {
  readonly perPage: number
  readonly page: number
  readonly offset: number
}

type Query = Readonly<Record<string, string>>

const largest = 1000

/** Reads `per_page` and `cursor`. Only the page's number is taken from the cursor, as measured. */
export const pageOf = (query: Query, settings: Settings): Result.Result<Page, Denial> => {
  const { cursor = "0:0:0", per_page = String(largest) } = query
  if (!/^-?\d+$/.test(per_page)) return Result.fail(detail(400, "Invalid per_page parameter."))
  const perPage = Number(per_page)
  if (perPage > largest) return Result.fail(detail(400, `Invalid per_page value. Cannot exceed ${largest}.`))
  if (perPage < 1) return Result.fail(internal)
  const [, value, number] = /^(-?\d+(?:\.\d+)?):(-?\d+):(-?\d+)$/.exec(cursor) ?? []
  if (value === undefined) return Result.fail(detail(400, "Invalid cursor parameter."))
  const page = Number(number)
  if (page < 0) return Result.fail(detail(400, "Error in parsing"))
  if (page > Number.MAX_SAFE_INTEGER / largest) return Result.fail(internal)
  const step = settings.page_by_request || Number(value) < 1 ? perPage : Math.trunc(Number(value))
  return Result.succeed({ perPage, page, offset: page * step })
}

/** Wraps the results of a list. `next_cursor` is never null; only `next_page_results` tells the end. */
export const envelope = (
  { offset, page, perPage }: Page,
  total: number,
  results: ReadonlyArray<unknown>
) => ({
  grouped_by: null,
  sub_grouped_by: null,
  total_count: total,
  next_cursor: `${perPage}:${page + 1}:0`,
  prev_cursor: `${perPage}:${page - 1}:1`,
  next_page_results: offset + results.length < total && results.length > 0,
  prev_page_results: page > 0,
  count: results.length,
  total_pages: Math.ceil(total / perPage),
  total_results: total,
  extra_stats: null,
  results
})
