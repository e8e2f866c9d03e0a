/** What an exchange is called in the matrix: by what is in it, not by where in the code it comes from. */

/** The first that matches names the statement, so what is special stands before what is common. */
const statements: ReadonlyArray<readonly [RegExp, string]> = [
  [/insert into idempotency_keys/i, "reserve"],
  [/set state = 'executed'/i, "complete"],
  [/set state = 'not_executed'/i, "refute"],
  [/set state = 'unresolved'/i, "give up"],
  [/set state = 'unknown'/i, "doubt"],
  [/fence = fence \+ 1/i, "claim"],
  [/delete from idempotency_keys/i, "release"],
  [/from tokens t\b/i, "authenticate"],
  [/insert into audit_events/i, "audit"],
  [/from recent_titles/i, "look for the same title"],
  [/^\s*commit\b/i, "commit"]
]

/** A statement that has no name here is called by its verb and its table, so that a new one is a new row and not a gap. */
export const statementName = (text: string): string => {
  const known = statements.find(([pattern]) => pattern.test(text))
  if (known !== undefined) return known[1]
  const verb = /\b(select|insert|update|delete|with|begin|rollback)\b/i.exec(text)?.[1]?.toLowerCase()
  const table = /\b(?:from|into|update)\s+([a-z_]+)/i.exec(text)?.[1]
  return [verb ?? "statement", ...(table === undefined ? [] : [table])].join(" ")
}

/** Of a request to Tasker, by its method and the path with its query. */
export const taskerName = (method: string, path: string): string => {
  const { pathname, searchParams } = new URL(path, "http://tasker")
  if (pathname.endsWith("/resolve")) return "resolve project"
  if (method !== "GET") return "send"
  if (pathname.includes("/api/v1/")) return planeName(pathname, searchParams)
  if (pathname.endsWith("/context")) return "read names"
  if (pathname.endsWith("/comments")) return "look through comments"
  if (searchParams.has("external_id")) return "look for the card by our key"
  return searchParams.has("issue_id") ? "read card" : "list cards"
}

const planeName = (pathname: string, query: URLSearchParams): string => {
  if (query.has("external_id")) return "look for the card by our key"
  if (/\/comments\/([^/]+\/)?$/.test(pathname)) return "look through comments"
  if (/\/(issues|work-items)\/[^/]+\/$/.test(pathname)) return "read card"
  if (/\/(issues|work-items)\/$/.test(pathname)) return "list cards"
  const part = pathname.split("/").at(-2)
  if (part !== "members") return `read ${part}`
  return pathname.includes("/projects/") ? "read project members" : "read workspace members"
}
